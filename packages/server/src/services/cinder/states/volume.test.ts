/** The tables of states keep the promises of every table. */
import { machineSuite } from '#platform/states/machine-suite.ts'
import { attachmentMachine, backupMachine, snapshotMachine, volumeMachine } from './volume.ts'

for (const machine of [volumeMachine, snapshotMachine, backupMachine, attachmentMachine]) machineSuite(machine)
