/** Snapshots: taken of a volume, kept beside it, and gone with their own quota. */
import type { RequestContext } from '#platform/auth/context.ts'
import { parseSort } from '#platform/api-kit/paging.ts'
import type { Executor } from '#platform/db/database.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import {
  snapshotFetch,
  snapshotInsert,
  snapshotRowFetch,
  snapshotsCount,
  snapshotsList,
  snapshotTryMove,
  snapshotUpdate,
  type SnapshotFilter,
} from '../store/snapshots.ts'
import { typeFetch } from '../store/types.ts'
import { volumeFetch } from '../store/volumes.ts'
import { take } from './charges.ts'
import type { Snapshot, Volume } from './model.ts'
import type { CinderParts } from './parts.ts'
import { snapshotAmounts, snapshotSubject } from './quota-words.ts'
import { invalidSnapshot, invalidVolume, noSnapshot, noVolume } from './refusals.ts'
import type { PageAsk } from './volumes.ts'

export interface NewSnapshot {
  volumeId: string
  name: string
  description: string
  metadata: Record<string, string>
  /** Also of a volume in use. */
  force: boolean
}

const sortColumns = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  status: 'status',
  size: 'size',
  volume_size: 'size',
  created_at: 'created_at',
  updated_at: 'updated_at',
  volume_id: 'volume_id',
  user_id: 'user_id',
  project_id: 'project_id',
  description: 'description',
  display_description: 'description',
} as const

export class Snapshots {
  readonly #parts: CinderParts
  constructor(parts: CinderParts) {
    this.#parts = parts
  }

  async create(ctx: RequestContext, asked: NewSnapshot): Promise<Snapshot> {
    return this.#parts.db.transaction(async (tx) => {
      const volume = await volumeFetch(tx, asked.volumeId)
      if (!volume || !ctx.can('volume:get', { project_id: volume.projectId })) throw noVolume(asked.volumeId)
      ctx.enforce('volume:create_snapshot', { project_id: volume.projectId })
      assertUsable(volume, asked.force)
      const snapshot = this.#draft(ctx, volume, asked)
      const typeName = (await typeFetch(tx, volume.typeId))?.name ?? volume.typeId
      await take(this.#parts, tx, {
        projectId: ctx.projectId,
        subject: snapshotSubject(snapshot.id),
        amounts: snapshotAmounts(volume.sizeGiB, typeName),
      })
      await snapshotInsert(tx, snapshot)
      tx.emit('cinder.snapshot.changed', { id: snapshot.id })
      return snapshot
    })
  }

  #draft(ctx: RequestContext, volume: Volume, asked: NewSnapshot): Snapshot {
    const at = this.#parts.clock.now()
    return {
      id: uuid(),
      volumeId: volume.id,
      projectId: ctx.projectId,
      userId: ctx.userId,
      name: asked.name,
      description: asked.description,
      sizeGiB: volume.sizeGiB,
      status: 'creating',
      task: 'create',
      tries: 0,
      progress: '0%',
      typeId: volume.typeId,
      hostName: volume.hostName,
      metadata: asked.metadata,
      createdAt: at,
      updatedAt: at,
    }
  }

  async fetch(ctx: RequestContext, executor: Executor, id: string, rule?: string): Promise<Snapshot> {
    const snapshot = await snapshotFetch(executor, id)
    const target = { project_id: snapshot?.projectId, user_id: snapshot?.userId }
    if (!snapshot || !ctx.can('volume:get_snapshot', target)) throw noSnapshot(id)
    if (rule !== undefined) ctx.enforce(rule, target)
    return snapshot
  }

  show(ctx: RequestContext, id: string): Promise<Snapshot> {
    return this.fetch(ctx, this.#parts.db, id)
  }

  async list(ctx: RequestContext, filter: SnapshotFilter, page: PageAsk): Promise<Snapshot[]> {
    const sort = parseSort(page, {
      columns: sortColumns,
      defaults: [
        { column: 'created_at', direction: 'desc' },
        { column: 'id', direction: 'desc' },
      ],
      unique: 'id',
    })
    const { marker, limit, offset } = page
    const after = marker === undefined ? undefined : await snapshotRowFetch(this.#parts.db, marker)
    if (marker !== undefined && (!after || !ctx.can('volume:get_snapshot', { project_id: after.project_id })))
      throw noSnapshot(marker)
    return snapshotsList(this.#parts.db, filter, { sort, after, limit, offset })
  }

  /** For the operator. */
  onHost(hostName: string): Promise<Snapshot[]> {
    const filter: SnapshotFilter = { equals: { host: [hostName] }, like: {}, metadata: {} }
    return snapshotsList(this.#parts.db, filter, { sort: [{ column: 'id', direction: 'asc' }] })
  }

  count(filter: SnapshotFilter): Promise<number> {
    return snapshotsCount(this.#parts.db, filter)
  }

  update(ctx: RequestContext, id: string, fields: { name?: string; description?: string }): Promise<Snapshot> {
    return this.#change(ctx, id, 'volume:update_snapshot', () => fields)
  }

  async metadataSet(
    ctx: RequestContext,
    id: string,
    metadata: Record<string, string>,
    { replace }: { replace: boolean },
  ): Promise<Record<string, string>> {
    const changed = await this.#change(ctx, id, 'volume:update_snapshot_metadata', (snapshot) => ({
      metadata: replace ? metadata : { ...snapshot.metadata, ...metadata },
    }))
    return changed.metadata
  }

  async metadataDelete(ctx: RequestContext, id: string, key: string): Promise<void> {
    await this.#change(ctx, id, 'volume:delete_snapshot_metadata', (snapshot) => {
      const { [key]: value, ...metadata } = snapshot.metadata
      if (value === undefined) throw notFound(`Snapshot ${id} has no metadata with key ${key}.`)
      return { metadata }
    })
  }

  async #change(
    ctx: RequestContext,
    id: string,
    rule: string,
    change: (snapshot: Snapshot) => Partial<Snapshot>,
  ): Promise<Snapshot> {
    return this.#parts.db.transaction(async (tx) => {
      const snapshot = await this.fetch(ctx, tx, id, rule)
      const fields = { ...change(snapshot), updatedAt: this.#parts.clock.now() }
      await snapshotUpdate(tx, id, fields)
      return { ...snapshot, ...fields }
    })
  }

  async delete(ctx: RequestContext, id: string, { force }: { force: boolean }): Promise<void> {
    const rule = force ? 'volume_extension:snapshot_admin_actions:force_delete' : 'volume:delete_snapshot'
    await this.#parts.db.transaction(async (tx) => {
      const snapshot = await this.fetch(ctx, tx, id, rule)
      const fields = { task: 'delete' as const, updatedAt: this.#parts.clock.now() }
      const isFree = force || ['available', 'error'].includes(snapshot.status)
      if (!isFree || !(await snapshotTryMove(tx, id, force ? 'deleteForced' : 'deleteAsked', fields))) {
        throw invalidSnapshot(
          `Snapshot status must be available or error and must not be part of a group. It is ${snapshot.status}.`,
        )
      }
      tx.emit('cinder.snapshot.changed', { id })
    })
  }

  /** Told by whoever takes the snapshot, while it is made or taken away. */
  async updateStatus(ctx: RequestContext, id: string, status: string, progress: string | undefined): Promise<void> {
    await this.#change(ctx, id, 'snapshot_extension:snapshot_actions:update_snapshot_status', (snapshot) => {
      const allowed = statusAfter[snapshot.status]
      if (!allowed) throw badRequest(`Snapshot status ${snapshot.status} not allowed for update_snapshot_status`)
      if (!allowed.includes(status)) {
        throw badRequest(
          `Provided snapshot status ${status} not allowed for snapshot with status ${snapshot.status}.`,
          { field: 'status' },
        )
      }
      return { status: status as Snapshot['status'], ...(progress !== undefined && { progress }) }
    })
  }

  /** An operator's word about what a snapshot is. */
  async resetStatus(ctx: RequestContext, id: string, status: string): Promise<void> {
    await this.#change(ctx, id, 'volume_extension:snapshot_admin_actions:reset_status', () => ({
      status: status as Snapshot['status'],
    }))
  }
}

const statusAfter: Partial<Record<Snapshot['status'], string[]>> = {
  creating: ['creating', 'available', 'error'],
  deleting: ['deleting', 'error', 'error_deleting'],
}

const assertUsable = (volume: Volume, force: boolean): void => {
  if (volume.hostName === null)
    throw invalidVolume('The snapshot cannot be created because volume has not been scheduled to any host.')
  if (volume.status === 'maintenance')
    throw invalidVolume('The snapshot cannot be created when the volume is in maintenance mode.')
  if (volume.task?.do === 'move') throw invalidVolume('Snapshot cannot be created while volume is migrating.')
  if (volume.status === 'error')
    throw invalidVolume('The snapshot cannot be created when the volume is in error status.')
  const states = force ? ['available', 'in-use'] : ['available']
  if (states.includes(volume.status)) return
  throw invalidVolume(
    `Volume ${volume.id} status must be ${states.join(', ')}, but current status is: ${volume.status}.`,
  )
}
