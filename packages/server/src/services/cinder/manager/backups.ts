/** Backups: a volume's bytes at one moment, kept apart from its host, and volumes made of them again. */
import type { RequestContext } from '#platform/auth/context.ts'
import { parseSort } from '#platform/api-kit/paging.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { VolumeOrder } from '../facade.ts'
import {
  backupFetch,
  backupInsert,
  backupRowFetch,
  backupsList,
  backupTryMove,
  backupUpdate,
  type BackupFilter,
} from '../store/backups.ts'
import { snapshotFetch } from '../store/snapshots.ts'
import { volumeTryMove, volumeUpdate } from '../store/volumes.ts'
import { take } from './charges.ts'
import type { Backup, Volume } from './model.ts'
import type { CinderParts } from './parts.ts'
import { backupAmounts, backupSubject } from './quota-words.ts'
import { invalidInput, invalidSnapshot, invalidVolume } from './refusals.ts'
import { seen, type SeenVolume } from './seen.ts'
import type { VolumeCreate } from './volume-create.ts'
import type { PageAsk, Volumes } from './volumes.ts'

export interface NewBackup {
  volumeId: string
  snapshotId: string | null
  name: string
  description: string
  container: string
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
  created_at: 'created_at',
  updated_at: 'updated_at',
  volume_id: 'volume_id',
  data_timestamp: 'data_at',
  user_id: 'user_id',
} as const

export class Backups {
  readonly #parts: CinderParts
  readonly #volumes: Volumes
  readonly #create: VolumeCreate
  constructor(parts: CinderParts, volumes: Volumes, create: VolumeCreate) {
    this.#parts = parts
    this.#volumes = volumes
    this.#create = create
  }

  async create(ctx: RequestContext, asked: NewBackup): Promise<Backup> {
    ctx.enforce('backup:create')
    return this.#parts.db.transaction(async (tx) => {
      const volume = await this.#volumes.fetch(ctx, tx, asked.volumeId)
      await this.#assertSource(tx, volume, asked)
      const backup = this.#draft(ctx, volume, asked)
      const { id, projectId, sizeGiB } = backup
      await take(this.#parts, tx, { projectId, subject: backupSubject(id), amounts: backupAmounts(sizeGiB) })
      await backupInsert(tx, backup)
      await this.#order(tx, volume, { do: 'backup', backupId: id, snapshotId: asked.snapshotId })
      return backup
    })
  }

  async #assertSource(tx: Tx, volume: Volume, { snapshotId, force }: NewBackup): Promise<void> {
    if (!['available', 'in-use'].includes(volume.status) || volume.task !== null) {
      throw invalidVolume(
        `Volume to be backed up must be available or in-use, but the current status is "${volume.status}".`,
      )
    }
    if (volume.status === 'in-use' && !force && snapshotId === null)
      throw invalidVolume('Backing up an in-use volume must use the force flag.')
    if (snapshotId === null) return
    const snapshot = await snapshotFetch(tx, snapshotId)
    if (snapshot?.volumeId !== volume.id)
      throw invalidVolume(`Volume ${volume.id} does not match with the volume of snapshot ${snapshotId}.`)
    if (snapshot.status !== 'available') {
      throw invalidSnapshot(
        `Snapshot to be backed up must be available, but the current status is "${snapshot.status}".`,
      )
    }
  }

  #draft(ctx: RequestContext, volume: Volume, asked: NewBackup): Backup {
    const at = this.#parts.clock.now()
    const { name, description, metadata, imageMetadata, bootable } = volume
    return {
      id: uuid(),
      volumeId: volume.id,
      snapshotId: asked.snapshotId,
      projectId: ctx.projectId,
      userId: ctx.userId,
      name: asked.name,
      description: asked.description,
      container: asked.container,
      sizeGiB: volume.sizeGiB,
      status: 'creating',
      task: null,
      tries: 0,
      failReason: null,
      volume: { name, description, metadata, imageMetadata, bootable },
      metadata: asked.metadata,
      dataAt: at,
      createdAt: at,
      updatedAt: at,
    }
  }

  /** A backup of a snapshot leaves the volume's status as it is. */
  async #order(tx: Tx, volume: Volume, task: Extract<Volume['task'], { do: 'backup' }>): Promise<void> {
    const fields = { task, previousStatus: volume.status, updatedAt: this.#parts.clock.now() }
    if (task.snapshotId === null) await volumeTryMove(tx, volume.id, 'backingUp', fields)
    else await volumeUpdate(tx, volume.id, fields)
    tx.emit('cinder.volume.changed', { id: volume.id })
  }

  async fetch(ctx: RequestContext, executor: Executor, id: string, rule?: string): Promise<Backup> {
    const backup = await backupFetch(executor, id)
    const target = { project_id: backup?.projectId }
    if (!backup || !ctx.can('backup:get', target)) throw missing(id)
    if (rule !== undefined) ctx.enforce(rule, target)
    return backup
  }

  show(ctx: RequestContext, id: string): Promise<Backup> {
    return this.fetch(ctx, this.#parts.db, id)
  }

  async list(ctx: RequestContext, filter: BackupFilter, page: PageAsk): Promise<Backup[]> {
    const sort = parseSort(page, {
      columns: sortColumns,
      defaults: [
        { column: 'created_at', direction: 'desc' },
        { column: 'id', direction: 'desc' },
      ],
      unique: 'id',
    })
    const { marker, limit, offset } = page
    const after = marker === undefined ? undefined : await backupRowFetch(this.#parts.db, marker)
    if (marker !== undefined && (!after || !ctx.can('backup:get', { project_id: after.project_id })))
      throw missing(marker)
    return backupsList(this.#parts.db, filter, { sort, after, limit, offset })
  }

  async update(
    ctx: RequestContext,
    id: string,
    fields: { name?: string; description?: string; metadata?: Record<string, string> },
  ): Promise<Backup> {
    return this.#parts.db.transaction(async (tx) => {
      const backup = await this.fetch(ctx, tx, id, 'backup:update')
      await backupUpdate(tx, id, { ...fields, updatedAt: this.#parts.clock.now() })
      return { ...backup, ...fields }
    })
  }

  async delete(ctx: RequestContext, id: string, { force }: { force: boolean }): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const rule = force ? 'volume_extension:backup_admin_actions:force_delete' : 'backup:delete'
      const backup = await this.fetch(ctx, tx, id, rule)
      const fields = { task: 'delete' as const, updatedAt: this.#parts.clock.now() }
      if (!(await backupTryMove(tx, id, force ? 'deleteForced' : 'deleteAsked', fields)))
        throw badRequest(`Invalid backup: Backup status must be available or error, but it is ${backup.status}.`)
      tx.emit('cinder.backup.changed', { id })
    })
  }

  /** An operator's word about what a backup is. */
  async resetStatus(ctx: RequestContext, id: string, status: string): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      await this.fetch(ctx, tx, id, 'volume_extension:backup_admin_actions:reset_status')
      await backupUpdate(tx, id, { status: status as Backup['status'], updatedAt: this.#parts.clock.now() })
    })
  }

  /** Into a volume that is free and large enough, whose bytes go; or into a new one. */
  async restore(ctx: RequestContext, id: string, asked: { volumeId?: string; name?: string }): Promise<SeenVolume> {
    const backup = await this.fetch(ctx, this.#parts.db, id, 'backup:restore')
    if (asked.volumeId !== undefined) return this.#restoreInto(ctx, backup, asked.volumeId)
    const { name, description, metadata } = backup.volume
    return this.volumeOf(ctx, id, {
      ...{ id: uuid(), projectId: ctx.projectId, userId: ctx.userId, name, description, metadata },
      ...(asked.name ? { name: asked.name } : {}),
    })
  }

  async #restoreInto(ctx: RequestContext, backup: Backup, volumeId: string): Promise<SeenVolume> {
    const volume = await this.#parts.db.transaction(async (tx) => {
      const target = await this.#volumes.fetch(ctx, tx, volumeId, 'volume:update')
      if (target.sizeGiB < backup.sizeGiB) {
        throw invalidVolume(
          `volume size ${target.sizeGiB}GB is too small to restore backup of size ${backup.sizeGiB}GB.`,
        )
      }
      const task = { do: 'restore' as const, backupId: backup.id }
      const fields = { task, previousStatus: 'available' as const, updatedAt: this.#parts.clock.now() }
      if (target.task !== null || !(await volumeTryMove(tx, volumeId, 'restoring', fields)))
        throw invalidVolume('Volume to be restored to must be available')
      await this.#take(tx, backup)
      tx.emit('cinder.volume.changed', { id: volumeId })
      return { ...target, ...fields, status: 'restoring-backup' as const }
    })
    return seen(this.#parts.db, volume)
  }

  /** A new volume, as large as the backup or larger, that begins as it. */
  async volumeOf(ctx: RequestContext, backupId: string, order: VolumeOrder): Promise<SeenVolume> {
    ctx.enforce('volume:create')
    const backup = await this.fetch(ctx, this.#parts.db, backupId)
    const sizeGiB = order.sizeGiB ?? backup.sizeGiB
    if (sizeGiB < backup.sizeGiB) {
      throw invalidInput(
        `Volume size ${sizeGiB}GB cannot be smaller than the backup size ${backup.sizeGiB}GB. ` +
          'It must be >= backup size.',
        'size',
      )
    }
    const { imageMetadata, bootable } = backup.volume
    const prepared = { ...(await this.#create.prepare({ ...order, sizeGiB }, ctx)), imageMetadata, bootable }
    const task = { do: 'restore' as const, backupId }
    const volume = await this.#parts.db.transaction(async (tx) => {
      const made = await this.#create.ensure(tx, prepared)
      await this.#take(tx, backup)
      const fields = { status: 'restoring-backup' as const, previousStatus: 'available' as const, task }
      await volumeUpdate(tx, made.id, fields)
      return { ...made, ...fields }
    })
    return seen(this.#parts.db, volume)
  }

  async #take(tx: Tx, { id, status }: Backup): Promise<void> {
    if (await backupTryMove(tx, id, 'restoring', { updatedAt: this.#parts.clock.now() })) return
    throw badRequest(`Invalid backup: Backup status must be available, but it is ${status}.`)
  }
}

const missing = (id: string) => notFound(`Backup ${id} could not be found.`)
