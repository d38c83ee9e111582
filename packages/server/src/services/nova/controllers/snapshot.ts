/** `nova.snapshot`: turns ordered snapshots into images. */
import { fromJson } from '#platform/db/json.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import type { GlanceFacade } from '#services/glance/facade.ts'
import type { NovaParts } from '../manager/parts.ts'
import { actionFinish } from '../store/actions.ts'
import { serverFetch, serverUpdate } from '../store/servers.ts'
import { snapshotDelete, snapshotsPending, snapshotTried } from '../store/snapshots.ts'
import type { SnapshotRow } from '../store/tables.ts'

const triesMax = 5

export class Snapshotter {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  observe = (limit: number): Promise<SnapshotRow[]> => snapshotsPending(this.#parts.db, limit)

  /** Making the image is idempotent at workloads and Glance: after a crash between any two lines it is done again. */
  act = async (snapshot: SnapshotRow): Promise<void> => {
    const { db, facades } = this.#parts
    await db.transaction((tx) => snapshotTried(tx, snapshot.image_id))
    try {
      await facades.glance.snapshotEnsure(fromJson<Parameters<GlanceFacade['snapshotEnsure']>[0]>(snapshot.image))
      await this.#showUploading(snapshot.server_id)
      await facades.workloads.snapshot(snapshot.server_id, snapshot.image_id)
      await this.#end(snapshot, undefined)
    } catch (error) {
      if (!this.#isFinal(error, snapshot)) throw error
      await facades.glance.snapshotFail(snapshot.image_id)
      await this.#end(snapshot, error instanceof Error ? error.message : String(error))
    }
  }

  #isFinal(error: unknown, { tries }: SnapshotRow): boolean {
    return tries + 1 >= triesMax || (isRefusal(error) && (error.kind === 'notFound' || error.kind === 'badRequest'))
  }

  async #showUploading(serverId: string): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const server = await serverFetch(tx, serverId)
      if (server?.taskState === 'image_snapshot_pending') await serverUpdate(tx, serverId, {
        taskState: 'image_uploading',
      })
    })
  }

  async #end(snapshot: SnapshotRow, failure: string | undefined): Promise<void> {
    const at = this.#parts.clock.now()
    await this.#parts.db.transaction(async (tx) => {
      const server = await serverFetch(tx, snapshot.server_id)
      const own = server?.taskState === 'image_snapshot_pending' || server?.taskState === 'image_uploading'
      if (own) await serverUpdate(tx, snapshot.server_id, { taskState: null, updatedAt: at })
      await actionFinish(tx, snapshot.action_id, {
        result: failure === undefined ? 'Success' : 'Error', at, host: server?.host ?? null, details: failure ?? null,
      })
      await snapshotDelete(tx, snapshot.image_id)
    })
  }
}

export const snapshotController = (parts: NovaParts): Controller<SnapshotRow[], SnapshotRow> => {
  const snapshotter = new Snapshotter(parts)
  return defineController<SnapshotRow[], SnapshotRow>({
    name: 'nova.snapshot',
    about: 'Turns ordered snapshots of servers into Glance images.',
    wakesOn: ['nova.snapshot.ordered'],
    everySeconds: 15,
    perPass: 20,
    observe: snapshotter.observe,
    plan: (snapshots) => snapshots,
    act: snapshotter.act,
    key: (snapshot) => snapshot.image_id,
    concurrency: 2,
  })
}
