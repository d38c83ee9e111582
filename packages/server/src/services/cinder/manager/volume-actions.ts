/** What a volume's owner asks to be done with it: grow, change its type, go back, become an image. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, conflict, unavailable } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { attachmentsOfVolume } from '../store/attachments.ts'
import { snapshotsOfVolume, snapshotTryMove } from '../store/snapshots.ts'
import { typeFetch } from '../store/types.ts'
import { volumeFetch, volumeTryMove, volumeUpdate } from '../store/volumes.ts'
import type { VolumeEvent } from '../states/volume.ts'
import { giveBackNamed, take } from './charges.ts'
import type { UploadedImage, Volume, VolumeTask, VolumeType } from './model.ts'
import type { CinderParts } from './parts.ts'
import { exceedsPerVolume, extendSubject, growthAmounts, retypeSubject, typeAmounts } from './quota-words.ts'
import type { Quotas } from './quotas.ts'
import { anyOf, invalidInput, invalidVolume } from './refusals.ts'
import { isMultiattach, type Types } from './types.ts'
import type { Volumes } from './volumes.ts'

export interface UploadAsk {
  imageName: string
  force: boolean
  diskFormat: string
  containerFormat: string
  visibility: string
  protected: boolean
}

export class VolumeActions {
  readonly #parts: CinderParts
  readonly #volumes: Volumes
  readonly #types: Types
  readonly #quotas: Quotas
  constructor(parts: CinderParts, { volumes, types, quotas }: { volumes: Volumes; types: Types; quotas: Quotas }) {
    this.#parts = parts
    this.#volumes = volumes
    this.#types = types
    this.#quotas = quotas
  }

  /** The growth is charged with the order, and given back if it cannot be done. */
  async extend(ctx: RequestContext, id: string, sizeGiB: number, { online }: { online: boolean }): Promise<void> {
    const before = await this.#volumes.fetch(ctx, this.#parts.db, id)
    const max = await this.#quotas.perVolumeMax(before.projectId)
    await this.#act(ctx, id, 'volume:extend', async (tx, volume) => {
      const growth = sizeGiB - volume.sizeGiB
      if (growth <= 0) {
        throw invalidInput(
          'New size for extend must be greater than current size. ' +
            `(current: ${volume.sizeGiB}, extended: ${sizeGiB}).`,
          'new_size',
        )
      }
      const states = online ? ['available', 'in-use'] : ['available']
      assertStatus(
        volume,
        states,
        (wanted) => `Volume ${id} status must be '${wanted}' to extend, currently ${volume.status}.`,
      )
      if (volume.status === 'in-use') ctx.enforce('volume:extend_attached_volume', { project_id: volume.projectId })
      if (max >= 0 && sizeGiB > max) throw exceedsPerVolume(sizeGiB, max)
      const typeName = await this.#typeName(tx, volume)
      const charge = await take(this.#parts, tx, {
        projectId: volume.projectId,
        subject: extendSubject(id, sizeGiB),
        amounts: growthAmounts(growth, typeName),
      })
      await this.#order(tx, volume, 'extending', { do: 'extend', sizeGiB }, { charges: [...volume.charges, charge] })
    })
  }

  async #typeName(tx: Tx, { typeId }: Volume): Promise<string> {
    return (await typeFetch(tx, typeId))?.name ?? typeId
  }

  async setBootable(ctx: RequestContext, id: string, bootable: boolean): Promise<void> {
    await this.#act(ctx, id, 'volume:update', (tx) => this.#write(tx, id, { bootable }))
  }

  async setReadOnly(ctx: RequestContext, id: string, readOnly: boolean): Promise<void> {
    await this.#act(ctx, id, 'volume:update_readonly_flag', async (tx, volume) => {
      if (volume.status !== 'available')
        throw invalidVolume(
          `Volume ${id} status must be available to update readonly flag, but current status is: ${volume.status}.`,
        )
      await this.#write(tx, id, { readOnly })
    })
  }

  /** Every type is the same bytes on the same hosts, so that only what is counted, and may be attached, changes. */
  async retype(ctx: RequestContext, id: string, nameOrId: string): Promise<void> {
    const before = await this.#volumes.fetch(ctx, this.#parts.db, id, 'volume:retype')
    const type = await this.#types.find({ projectId: before.projectId, isAdmin: ctx.isAdmin }, nameOrId)
    await this.#act(ctx, id, 'volume:retype', async (tx, volume) => {
      await this.#assertRetype(tx, ctx, volume, type)
      const oldName = await this.#typeName(tx, volume)
      const charge = await take(this.#parts, tx, {
        projectId: volume.projectId,
        subject: retypeSubject(id, type.id, this.#parts.clock.now()),
        amounts: typeAmounts(volume.sizeGiB, type.name),
      })
      const kept = await giveBackNamed(this.#parts, tx, volume, Object.keys(typeAmounts(0, oldName)))
      await this.#write(tx, id, {
        typeId: type.id,
        multiattach: isMultiattach(type),
        charges: [...kept, charge],
      })
    })
  }

  async #assertRetype(tx: Tx, ctx: RequestContext, volume: Volume, type: VolumeType): Promise<void> {
    const isBusy = !['available', 'in-use'].includes(volume.status) || volume.task !== null
    if (isBusy || volume.typeId === type.id) {
      throw invalidVolume(
        'Retype needs volume to be in available or in-use state, not be part of an active migration or a consistency ' +
          'group, requested type has to be different that the one from the volume, and for in-use volumes front-end ' +
          'qos specs cannot change.',
      )
    }
    if (isMultiattach(type) === volume.multiattach) return
    if (volume.status !== 'available' || (await attachmentsOfVolume(tx, volume.id)).length > 0) {
      throw invalidInput(
        'Invalid volume_type passed, retypes affecting multiattach are only allowed on available volumes, the ' +
          `specified volume however currently has a status of: ${volume.status}.`,
        'new_type',
      )
    }
    if (isMultiattach(type)) ctx.enforce('volume:multiattach', { project_id: volume.projectId })
  }

  /** Back to the latest snapshot, of the same size. */
  async revert(ctx: RequestContext, id: string, snapshotId: string | null): Promise<void> {
    await this.#act(ctx, id, 'volume:revert_to_snapshot', async (tx, volume) => {
      const [latest] = await snapshotsOfVolume(tx, id)
      if (!latest) throw badRequest(`Volume ${id} doesn't have any snapshots.`, { field: 'snapshot_id' })
      if (snapshotId !== latest.id)
        throw badRequest(`Specified snapshot ${snapshotId} is None or not the latest one of volume ${id}.`, {
          field: 'snapshot_id',
        })
      if (latest.sizeGiB !== volume.sizeGiB)
        throw badRequest(
          `Can't revert volume ${id} to its latest snapshot ${snapshotId}. The volume size must be equal to the ` +
            'snapshot size.',
        )
      const cannot = (what: string) =>
        conflict(
          `Invalid ${what.toLowerCase()}: Can't revert volume ${id} to its latest snapshot ${latest.id}. ` +
            `${what}'s status must be 'available'.`,
        )
      if (volume.status !== 'available' || volume.task !== null) throw cannot('Volume')
      if (!(await snapshotTryMove(tx, latest.id, 'restoring', { updatedAt: this.#parts.clock.now() })))
        throw cannot('Snapshot')
      await this.#order(tx, volume, 'reverting', { do: 'revert', snapshotId: latest.id })
    })
  }

  /** The image's record is there at once; its bytes follow. */
  async upload(ctx: RequestContext, id: string, asked: UploadAsk): Promise<{ volume: Volume; image: UploadedImage }> {
    assertUploadable(asked)
    const rule = 'volume_extension:volume_actions:upload_image'
    const before = await this.#volumes.fetch(ctx, this.#parts.db, id, rule)
    if (asked.visibility === 'public') ctx.enforce('volume_extension:volume_actions:upload_public')
    const image = imageOf(before, ctx.projectId, asked)
    const volume = await this.#act(ctx, id, rule, async (tx, current) => {
      const states = asked.force ? ['available', 'in-use'] : ['available']
      assertStatus(current, states, (wanted) => `Volume ${id} status must be ${wanted}`)
      await this.#parts.facades.glance.snapshotEnsure(image, tx)
      await this.#order(tx, current, 'uploading', { do: 'upload', image })
    })
    return { volume, image }
  }

  /** To another host, by an operator. */
  async migrate(ctx: RequestContext, id: string, hostName: string): Promise<void> {
    await this.#act(ctx, id, 'volume_extension:volume_admin_actions:migrate_volume', (tx, volume) =>
      this.moveIn(tx, volume, hostName),
    )
  }

  /** Orders that the bytes be brought to a host. A reserved volume stays reserved meanwhile. Idempotent. */
  async moveIn(tx: Tx, volume: Volume, hostName: string): Promise<void> {
    if (volume.task?.do === 'move' && volume.task.hostName === hostName) return
    if (volume.task === null && volume.hostName === hostName) return
    assertMovable(volume, (await snapshotsOfVolume(tx, volume.id)).length)
    if (this.#parts.hosts.find(hostName) === undefined && this.#isKnown(hostName))
      throw unavailable(`Host ${hostName} cannot be reached now`)
    if (this.#parts.hosts.find(hostName)?.volumes === undefined)
      throw badRequest(`Invalid host: No available service named '${hostName}'`, { field: 'host' })
    const task: VolumeTask = { do: 'move', hostName }
    if (volume.status === 'available') return this.#order(tx, volume, 'moving', task)
    await this.#write(tx, volume.id, { task, previousStatus: volume.status })
  }

  /** It joined once: after a start, hosts are linked one by one. */
  #isKnown(hostName: string): boolean {
    return this.#parts.hosts.known?.().some(({ name }) => name === hostName) ?? false
  }

  async #order(
    tx: Tx,
    volume: Volume,
    event: VolumeEvent,
    task: VolumeTask,
    more: Partial<Volume> = {},
  ): Promise<void> {
    const updatedAt = this.#parts.clock.now()
    const fields = { ...more, task, previousStatus: volume.status, updatedAt }
    if (volume.task !== null || !(await volumeTryMove(tx, volume.id, event, fields)))
      throw invalidVolume(`Volume ${volume.id} is ${volume.status}: ask again when that is done.`)
    tx.emit('cinder.volume.changed', { id: volume.id })
  }

  async #write(tx: Tx, id: string, fields: Partial<Volume>): Promise<void> {
    await volumeUpdate(tx, id, { ...fields, updatedAt: this.#parts.clock.now() })
    tx.emit('cinder.volume.changed', { id })
  }

  async #act(
    ctx: RequestContext,
    id: string,
    rule: string,
    work: (tx: Tx, volume: Volume) => Promise<void>,
  ): Promise<Volume> {
    return this.#parts.db.transaction(async (tx) => {
      await work(tx, await this.#volumes.fetch(ctx, tx, id, rule))
      return (await volumeFetch(tx, id))!
    })
  }
}

const assertMovable = (volume: Volume, snapshots: number): void => {
  const isFree = ['available', 'reserved'].includes(volume.status) && volume.task === null
  if (isFree && snapshots === 0) return
  throw invalidVolume(
    `Volume ${volume.id} status must be available or reserved, must not be migrating or have snapshots, and ` +
      `destination host must be different than the current one. It is ${volume.status} on ` +
      `${volume.hostName ?? 'no host'} with ${snapshots} snapshots.`,
  )
}

const assertStatus = (volume: Volume, states: string[], sentence: (wanted: string) => string): void => {
  if (!states.includes(volume.status)) throw invalidVolume(sentence(anyOf(states)), { status: volume.status })
}

/** Volumes are kept as raw bytes and go out as they are. */
const assertUploadable = ({ diskFormat, visibility, protected: isProtected }: UploadAsk): void => {
  if (diskFormat !== 'raw')
    throw badRequest(`A volume is uploaded as it is: disk_format must be raw, not ${diskFormat}.`, {
      field: 'disk_format',
    })
  if (!['private', 'public'].includes(visibility) || isProtected)
    throw badRequest(
      'An image made from a volume is private or public and not protected at first; change it in Glance when it is ' +
        'active.',
      { field: isProtected ? 'protected' : 'visibility' },
    )
}

const imageOf = (volume: Volume, ownerId: string, asked: UploadAsk): UploadedImage => ({
  id: uuid(),
  name: asked.imageName,
  ownerId,
  containerFormat: asked.containerFormat,
  diskFormat: asked.diskFormat,
  minDiskGiB: volume.sizeGiB,
  minRamMiB: 0,
  properties: customProperties(volume.imageMetadata),
  visibility: asked.visibility as 'private' | 'public',
})

/** Of what the image was that the volume came from: not its own record. */
const recordKeys = new Set([
  'image_id',
  'image_name',
  'container_format',
  'disk_format',
  'min_disk',
  'min_ram',
  'size',
  'checksum',
])
const customProperties = (metadata: Record<string, string> | null): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => !recordKeys.has(key)))
