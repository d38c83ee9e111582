/** The life of an image. */
import { defineMachine } from '#platform/states/machine.ts'

export const imageMachine = defineMachine({
  name: 'image',
  initial: 'queued',
  table: {
    queued: { saved: 'saving', staged: 'uploading', imported: 'importing', deleted: 'deleted' },
    saving: { activated: 'active', failed: 'queued', deleted: 'deleted' },
    uploading: { imported: 'importing', failed: 'queued', deleted: 'deleted' },
    importing: { activated: 'active', failed: 'queued', deleted: 'deleted' },
    active: { deactivated: 'deactivated', deleted: 'deleted' },
    deactivated: { reactivated: 'active', deleted: 'deleted' },
    deleted: {},
  },
})

export const imageStates = {
  /** Its data is on the way, or waits for an import. */
  receiving: new Set(['saving', 'uploading', 'importing']),
} satisfies Record<string, ReadonlySet<string>>
