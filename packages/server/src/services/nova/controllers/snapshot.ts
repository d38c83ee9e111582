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
import type { TaskState } from '../states/server-state.ts'
import type { SnapshotRow } from '../store/tables.ts'

const triesMax = 5
const finalKinds: ReadonlySet<string> = new Set(['notFound', 'badRequest', 'overLimit'])
const takingTasks: ReadonlySet<TaskState | null> = new Set([
  'image_snapshot_pending', 'image_backup', 'image_uploading',
])

/** What backups of one rotation have in common. */
const kindKeys = ['image_type', 'backup_type', 'instance_uuid']

/** What was ordered: the image to make and, for a backup, how many of its type are kept. */
type SnapshotOrder = Parameters<GlanceFacade['snapshotEnsure']>[0] & { rotation?: number }

export class Snapshotter {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  observe = (limit: number): Promise<SnapshotRow[]> => snapshotsPending(this.#parts.db, limit)

  /** Making the image is idempotent at workloads and Glance: after a crash between any two lines it is done again. */
  act = async (snapshot: SnapshotRow): Promise<void> => {
    const { db, facades } = this.#parts
    await db.transaction((tx) => snapshotTried(tx, snapshot.image_id))
    try {
      const { rotation, ...image } = fromJson<SnapshotOrder>(snapshot.image)
      await facades.glance.snapshotEnsure(image)
      await this.#showUploading(snapshot.server_id)
      await facades.workloads.snapshot(snapshot.server_id, snapshot.image_id)
      if (rotation !== undefined) await this.#rotate(image, rotation)
      await this.#end(snapshot, undefined)
    } catch (error) {
      if (!this.#isFinal(error, snapshot)) throw error
      await facades.glance.snapshotFail(snapshot.image_id)
      await this.#end(snapshot, error instanceof Error ? error.message : String(error))
    }
  }

  /** As upstream: of a server's backups of one type the newest stay. A protected one stays too. */
  async #rotate({ ownerId, properties }: SnapshotOrder, rotation: number): Promise<void> {
    const { glance } = this.#parts.facades
    const kind = Object.fromEntries(kindKeys.map((key) => [key, properties[key] ?? '']))
    const backups = await glance.imagesWith(ownerId, kind)
    for (const old of backups.slice(rotation)) await glance.imageDelete(old.id)
  }

  #isFinal(error: unknown, { tries }: SnapshotRow): boolean {
    return tries + 1 >= triesMax || (isRefusal(error) && finalKinds.has(error.kind))
  }

  async #showUploading(serverId: string): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const server = await serverFetch(tx, serverId)
      if (takingTasks.has(server?.taskState ?? null)) await serverUpdate(tx, serverId, {
        taskState: 'image_uploading',
      })
    })
  }

  async #end(snapshot: SnapshotRow, failure: string | undefined): Promise<void> {
    const at = this.#parts.clock.now()
    await this.#parts.db.transaction(async (tx) => {
      const server = await serverFetch(tx, snapshot.server_id)
      const isOwn = takingTasks.has(server?.taskState ?? null)
      if (isOwn) await serverUpdate(tx, snapshot.server_id, { taskState: null, updatedAt: at })
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
