/** Volumes as their owners see and change them; making one is in `volume-create`, other verbs in `volume-actions`. */
import type { RequestContext } from '#platform/auth/context.ts'
import { parseSort } from '#platform/api-kit/paging.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { notFound } from '#platform/errors/errors.ts'
import { backupTryMove } from '../store/backups.ts'
import { snapshotsOfVolume, snapshotTryMove } from '../store/snapshots.ts'
import {
  volumeFetch,
  volumeRowFetch,
  volumesList,
  volumesSum,
  volumeTryMove,
  volumeUpdate,
  type VolumeFilter,
} from '../store/volumes.ts'
import type { VolumeOrder } from '../facade.ts'
import type { Volume } from './model.ts'
import type { CinderParts } from './parts.ts'
import { anyOf, invalidInput, invalidVolume, noVolume } from './refusals.ts'
import { seen, seenMany, type SeenVolume } from './seen.ts'
import type { VolumeCreate } from './volume-create.ts'

export interface PageAsk {
  sort?: string | string[]
  sort_key?: string | string[]
  sort_dir?: string | string[]
  marker?: string
  limit?: number
  offset?: number
}

const sortColumns = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  status: 'status',
  size: 'size',
  created_at: 'created_at',
  updated_at: 'updated_at',
  host: 'host',
  availability_zone: 'zone',
  bootable: 'bootable',
  user_id: 'user_id',
  project_id: 'project_id',
  volume_type_id: 'type_id',
  volume_type: 'type_id',
  description: 'description',
  display_description: 'description',
  multiattach: 'multiattach',
  snapshot_id: 'snapshot_id',
  source_volid: 'source_id',
} as const

const deletable = ['available', 'error', 'error_restoring', 'error_extending', 'error_managing']
const metadataFrozen = ['maintenance', 'uploading']

export class Volumes {
  readonly #parts: CinderParts
  readonly #create: VolumeCreate
  constructor(parts: CinderParts, create: VolumeCreate) {
    this.#parts = parts
    this.#create = create
  }

  async create(ctx: RequestContext, order: VolumeOrder): Promise<SeenVolume> {
    ctx.enforce('volume:create')
    if (order.source?.kind === 'image') ctx.enforce('volume:create_from_image')
    const prepared = await this.#create.prepare(order, ctx)
    if (prepared.multiattach) ctx.enforce('volume:multiattach')
    const volume = await this.#parts.db.transaction((tx) => this.#create.ensure(tx, prepared))
    return seen(this.#parts.db, volume)
  }

  async show(ctx: RequestContext, id: string): Promise<SeenVolume> {
    return seen(this.#parts.db, await this.fetch(ctx, this.#parts.db, id))
  }

  /** Another project's volume is not there; `rule` is checked against what is. */
  async fetch(ctx: RequestContext, executor: Executor, id: string, rule?: string): Promise<Volume> {
    const volume = await volumeFetch(executor, id)
    if (!volume) throw noVolume(id)
    const target = { project_id: volume.projectId, user_id: volume.userId }
    if (!ctx.can('volume:get', target)) throw noVolume(id)
    if (rule !== undefined) ctx.enforce(rule, target)
    return volume
  }

  async list(ctx: RequestContext, filter: VolumeFilter, page: PageAsk): Promise<SeenVolume[]> {
    const sort = parseSort(page, {
      columns: sortColumns,
      defaults: [
        { column: 'created_at', direction: 'desc' },
        { column: 'id', direction: 'desc' },
      ],
      unique: 'id',
    })
    const after = page.marker === undefined ? undefined : await this.#marker(ctx, page.marker)
    const rows = await volumesList(this.#parts.db, filter, { sort, after, limit: page.limit, offset: page.offset })
    return seenMany(this.#parts.db, rows)
  }

  async #marker(ctx: RequestContext, id: string) {
    const row = await volumeRowFetch(this.#parts.db, id)
    if (!row || !ctx.can('volume:get', { project_id: row.project_id })) throw noVolume(id)
    return row
  }

  /** For the operator. */
  onHost(hostName: string): Promise<Volume[]> {
    const filter: VolumeFilter = {
      equals: { host: [hostName] },
      like: {},
      metadata: {},
      imageMetadata: {},
      times: [],
    }
    return volumesList(this.#parts.db, filter, { sort: [{ column: 'id', direction: 'asc' }] })
  }

  sum(filter: VolumeFilter): Promise<{ count: number; sizeGiB: number }> {
    return volumesSum(this.#parts.db, filter)
  }

  /** Every key of metadata in the volumes asked for, with its values. */
  async metadataSummary(filter: VolumeFilter): Promise<Record<string, string[]>> {
    const volumes = await volumesList(this.#parts.db, filter, { sort: [{ column: 'id', direction: 'asc' }] })
    const values = new Map<string, Set<string>>()
    for (const { metadata } of volumes) {
      for (const [key, value] of Object.entries(metadata)) values.set(key, (values.get(key) ?? new Set()).add(value))
    }
    return Object.fromEntries([...values].map(([key, set]) => [key, [...set].sort()]))
  }

  async update(
    ctx: RequestContext,
    id: string,
    fields: { name?: string; description?: string; metadata?: Record<string, string> },
  ): Promise<SeenVolume> {
    await this.#change(ctx, id, 'volume:update', (volume) => {
      if (volume.status === 'maintenance') throw invalidVolume('The volume cannot be updated during maintenance.')
      return fields
    })
    return this.show(ctx, id)
  }

  /** Writes what `change` makes of the volume as it is now. */
  async #change(
    ctx: RequestContext,
    id: string,
    rule: string,
    change: (volume: Volume) => Partial<Volume>,
  ): Promise<Volume> {
    return this.#parts.db.transaction(async (tx) => {
      const volume = await this.fetch(ctx, tx, id, rule)
      const fields = { ...change(volume), updatedAt: this.#parts.clock.now() }
      await volumeUpdate(tx, id, fields)
      tx.emit('cinder.volume.changed', { id })
      return { ...volume, ...fields }
    })
  }

  async metadataSet(
    ctx: RequestContext,
    id: string,
    metadata: Record<string, string>,
    { replace, rule = 'volume:update_volume_metadata' }: { replace: boolean; rule?: string },
  ): Promise<Record<string, string>> {
    const changed = await this.#change(ctx, id, rule, (volume) => {
      if (metadataFrozen.includes(volume.status))
        throw invalidVolume(`Updating volume metadata is not allowed for volumes in ${volume.status} status.`)
      return { metadata: replace ? metadata : { ...volume.metadata, ...metadata } }
    })
    return changed.metadata
  }

  async metadataDelete(ctx: RequestContext, id: string, key: string): Promise<void> {
    await this.#change(ctx, id, 'volume:delete_volume_metadata', (volume) => {
      if (metadataFrozen.includes(volume.status))
        throw invalidVolume(`Deleting volume metadata is not allowed for volumes in ${volume.status} status.`)
      const { [key]: value, ...metadata } = volume.metadata
      if (value === undefined) throw noMetadata(id, key)
      return { metadata }
    })
  }

  async imageMetadataSet(
    ctx: RequestContext,
    id: string,
    metadata: Record<string, string>,
  ): Promise<Record<string, string>> {
    const changed = await this.#change(ctx, id, 'volume_extension:volume_image_metadata:set', (volume) => ({
      imageMetadata: { ...volume.imageMetadata, ...metadata },
    }))
    return changed.imageMetadata ?? {}
  }

  async imageMetadataUnset(ctx: RequestContext, id: string, key: string): Promise<void> {
    await this.#change(ctx, id, 'volume_extension:volume_image_metadata:remove', (volume) => {
      const { [key]: value, ...imageMetadata } = volume.imageMetadata ?? {}
      if (value === undefined) throw notFound('Metadata item was not found.')
      return { imageMetadata }
    })
  }

  async delete(ctx: RequestContext, id: string, how: { cascade: boolean; force: boolean }): Promise<void> {
    const rule = how.force ? 'volume:force_delete' : 'volume:delete'
    await this.#parts.db.transaction(async (tx) => {
      const volume = await this.fetch(ctx, tx, id, rule)
      await this.deleteIn(tx, volume, how)
    })
  }

  /** Deletes a volume that nobody holds, with its snapshots if asked to. */
  async deleteIn(tx: Tx, volume: Volume, { cascade, force }: { cascade: boolean; force: boolean }): Promise<void> {
    const { id } = volume
    const { attachments } = await seen(tx, volume)
    const snapshots = await snapshotsOfVolume(tx, id)
    const isFree = attachments.every(({ status }) => status === 'reserved') && volume.task?.do !== 'move'
    const mayGo = isFree && (snapshots.length === 0 || cascade)
    const updatedAt = this.#parts.clock.now()
    const event = force ? 'deleteForced' : 'deleteAsked'
    const fields = { task: { do: 'delete' as const }, updatedAt }
    if (!mayGo || !(await volumeTryMove(tx, id, event, fields))) throw notDeletable(volume, force)
    await this.#abandon(tx, volume)
    for (const { id: snapshotId } of snapshots) {
      if (!(await snapshotTryMove(tx, snapshotId, event, { task: 'delete', updatedAt })))
        throw invalidVolume('Failed to update snapshot.')
      tx.emit('cinder.snapshot.changed', { id: snapshotId })
    }
    tx.emit('cinder.volume.changed', { id })
  }

  /** What waited for a volume that is forced to go waits no longer. */
  async #abandon(tx: Tx, { id, task }: Volume): Promise<void> {
    if (task?.do !== 'backup' && task?.do !== 'restore') return
    const fields = { failReason: `Volume ${id} was deleted meanwhile.`, updatedAt: this.#parts.clock.now() }
    await backupTryMove(tx, task.backupId, task.do === 'backup' ? 'failed' : 'restored', fields)
  }

  /** An operator's word about what a volume is, against what is seen. Hosts are asked for nothing by it. */
  async resetStatus(ctx: RequestContext, id: string, asked: { status?: string; attach?: string }): Promise<void> {
    await this.#change(ctx, id, 'volume_extension:volume_admin_actions:reset_status', (volume) => {
      if (asked.status === undefined && asked.attach === undefined)
        throw invalidInput('Must specify status, attach_status or migration_status for update.')
      return { status: (asked.status ?? volume.status) as Volume['status'] }
    })
  }
}

const noMetadata = (id: string, key: string) => notFound(`Volume ${id} has no metadata with key ${key}.`)

const notDeletable = (volume: Volume, force: boolean) =>
  invalidVolume(
    `Volume ${force ? '' : `status must be ${anyOf(deletable)} and `}must not be migrating, attached, belong to a ` +
      'group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer. ' +
      `Volume ${volume.id} is ${volume.status}.`,
    { status: volume.status },
  )
