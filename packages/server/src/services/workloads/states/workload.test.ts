/** The machine's own tests. */
import { machineSuite } from '#platform/states/machine-suite.ts'
import { workloadMachine } from './workload.ts'

machineSuite(workloadMachine)
