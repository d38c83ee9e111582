/** The life of a volume, a snapshot and an attachment, in the words that Cinder's clients know. */
import { defineMachine } from '#platform/states/machine.ts'

/** Work that ends where it began: a free volume is free again, one in use is in use again. */
const settling = { settledFree: 'available', settledInUse: 'in-use', deleteForced: 'deleting' } as const

export const volumeMachine = defineMachine({
  name: 'volume',
  initial: 'creating',
  table: {
    creating: { downloading: 'downloading', created: 'available', failed: 'error', deleteForced: 'deleting' },
    downloading: { downloading: 'downloading', created: 'available', failed: 'error', deleteForced: 'deleting' },
    available: {
      reserved: 'reserved',
      attaching: 'attaching',
      attached: 'in-use',
      extending: 'extending',
      uploading: 'uploading',
      reverting: 'reverting',
      retyping: 'retyping',
      moving: 'maintenance',
      offered: 'awaiting-transfer',
      backingUp: 'backing-up',
      restoring: 'restoring-backup',
      deleteAsked: 'deleting',
      deleteForced: 'deleting',
    },
    reserved: {
      reserved: 'reserved',
      attaching: 'attaching',
      attached: 'in-use',
      released: 'available',
      kept: 'in-use',
      deleteForced: 'deleting',
    },
    attaching: {
      attaching: 'attaching',
      attached: 'in-use',
      released: 'available',
      kept: 'in-use',
      deleteForced: 'deleting',
    },
    'in-use': {
      reserved: 'reserved',
      attaching: 'attaching',
      attached: 'in-use',
      detaching: 'detaching',
      extending: 'extending',
      uploading: 'uploading',
      retyping: 'retyping',
      backingUp: 'backing-up',
      released: 'available',
      kept: 'in-use',
      deleteForced: 'deleting',
    },
    detaching: { rolledBack: 'in-use', released: 'available', kept: 'in-use', deleteForced: 'deleting' },
    extending: { ...settling, extendFailed: 'error_extending' },
    uploading: settling,
    reverting: { ...settling, failed: 'error' },
    retyping: settling,
    maintenance: settling,
    'backing-up': settling,
    'restoring-backup': { ...settling, restoreFailed: 'error_restoring' },
    'awaiting-transfer': { settledFree: 'available', deleteForced: 'deleting' },
    error: { deleteAsked: 'deleting', deleteForced: 'deleting' },
    error_extending: { deleteAsked: 'deleting', deleteForced: 'deleting' },
    error_restoring: { restoring: 'restoring-backup', deleteAsked: 'deleting', deleteForced: 'deleting' },
    deleting: { deleteForced: 'deleting', deleteFailed: 'error_deleting', removed: 'deleted' },
    error_deleting: { deleteForced: 'deleting' },
    deleted: {},
  },
})

export const snapshotMachine = defineMachine({
  name: 'volume-snapshot',
  initial: 'creating',
  table: {
    creating: { created: 'available', failed: 'error', deleteForced: 'deleting' },
    available: { restoring: 'restoring', deleteAsked: 'deleting', deleteForced: 'deleting' },
    restoring: { restored: 'available', deleteForced: 'deleting' },
    error: { deleteAsked: 'deleting', deleteForced: 'deleting' },
    deleting: {
      deleteAsked: 'deleting',
      deleteForced: 'deleting',
      deleteFailed: 'error_deleting',
      removed: 'deleted',
    },
    error_deleting: { deleteForced: 'deleting' },
    deleted: {},
  },
})

export const backupMachine = defineMachine({
  name: 'volume-backup',
  initial: 'creating',
  table: {
    creating: { created: 'available', failed: 'error', deleteForced: 'deleting' },
    available: { restoring: 'restoring', deleteAsked: 'deleting', deleteForced: 'deleting' },
    restoring: { restored: 'available', deleteForced: 'deleting' },
    error: { deleteAsked: 'deleting', deleteForced: 'deleting' },
    deleting: { deleteForced: 'deleting', deleteFailed: 'error_deleting', removed: 'deleted' },
    error_deleting: { deleteForced: 'deleting' },
    deleted: {},
  },
})

export const attachmentMachine = defineMachine({
  name: 'volume-attachment',
  initial: 'reserved',
  table: {
    reserved: { began: 'attaching', completed: 'attached' },
    attaching: { began: 'attaching', completed: 'attached' },
    attached: { completed: 'attached', detachBegan: 'detaching' },
    detaching: { detachBegan: 'detaching', detachUndone: 'attached' },
  },
})

export type VolumeEvent = (typeof volumeMachine)['events'][number]
export type SnapshotEvent = (typeof snapshotMachine)['events'][number]
export type BackupEvent = (typeof backupMachine)['events'][number]
export type AttachmentEvent = (typeof attachmentMachine)['events'][number]
