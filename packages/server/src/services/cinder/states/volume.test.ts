/** The tables of states keep the promises of every table. */
import { machineSuite } from '#platform/states/machine-suite.ts'
import { attachmentMachine, snapshotMachine, volumeMachine } from './volume.ts'

for (const machine of [volumeMachine, snapshotMachine, attachmentMachine]) machineSuite(machine)
