/** Making volumes: everything is looked up and checked first, then one transaction makes the row and its claim. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import type { PreparedVolume, VolumeOrder, VolumeViewer } from '../facade.ts'
import { snapshotFetch } from '../store/snapshots.ts'
import { typeFetch } from '../store/types.ts'
import { volumeFetch, volumeInsert } from '../store/volumes.ts'
import { take } from './charges.ts'
import { bytesPerGiB, zone, type Snapshot, type Volume, type VolumeType } from './model.ts'
import type { CinderParts } from './parts.ts'
import { exceedsPerVolume, volumeAmounts, volumeSubject } from './quota-words.ts'
import type { Quotas } from './quotas.ts'
import { anyOf, invalidInput, invalidSnapshot, invalidVolume, noSnapshot, noVolume } from './refusals.ts'
import { isMultiattach, type Types } from './types.ts'

/** Where the bytes are to come from. */
interface Sources {
  snapshot?: Snapshot
  source?: Volume
  image?: ImageInfo
}

type Content = Pick<
  PreparedVolume,
  'hostName' | 'snapshotId' | 'sourceVolumeId' | 'imageId' | 'imageMetadata' | 'bootable'
>

const none = { snapshotId: null, sourceVolumeId: null, imageId: null }
const sourceStates = ['available', 'in-use']

export class VolumeCreate {
  readonly #parts: CinderParts
  readonly #types: Types
  readonly #quotas: Quotas
  constructor(parts: CinderParts, types: Types, quotas: Quotas) {
    this.#parts = parts
    this.#types = types
    this.#quotas = quotas
  }

  async prepare(order: VolumeOrder, viewer: VolumeViewer): Promise<PreparedVolume> {
    const sources = await this.#sources(order, viewer)
    const type = await this.#type(order, viewer, sources)
    const sizeGiB = this.#size(order.sizeGiB, sources)
    await this.#assertAllowed(order.projectId, sizeGiB)
    const { id, projectId, userId, name, description = '', metadata = {} } = order
    return {
      ...{ id, projectId, userId, name, description, metadata, sizeGiB },
      typeId: type.id,
      typeName: type.name,
      availabilityZone: zoneOf(order.availabilityZone),
      multiattach: isMultiattach(type),
      ...(await this.#contentOf(order, sources, sizeGiB)),
    }
  }

  async #assertAllowed(projectId: string, sizeGiB: number): Promise<void> {
    const max = await this.#quotas.perVolumeMax(projectId)
    if (max >= 0 && sizeGiB > max) throw exceedsPerVolume(sizeGiB, max)
  }

  /** Copies are where their origin is, and as bootable. */
  async #contentOf(order: VolumeOrder, sources: Sources, sizeGiB: number): Promise<Content> {
    const hostName = order.hostName ?? null
    const { snapshot, source, image } = sources
    if (image) {
      assertFits(image, sizeGiB)
      return { ...none, hostName, imageId: image.id, imageMetadata: imageMetadataOf(image), bootable: true }
    }
    const origin = snapshot ? await volumeFetch(this.#parts.db, snapshot.volumeId) : source
    const inherited = { imageMetadata: origin?.imageMetadata ?? null, bootable: origin?.bootable ?? false }
    if (snapshot) return { ...none, ...inherited, hostName: snapshot.hostName, snapshotId: snapshot.id }
    if (source) return { ...none, ...inherited, hostName: source.hostName, sourceVolumeId: source.id }
    return { ...none, ...inherited, hostName }
  }

  async #sources({ source }: VolumeOrder, viewer: VolumeViewer): Promise<Sources> {
    const { db } = this.#parts
    if (source?.kind === 'snapshot') return { snapshot: await usableSnapshot(db, source.snapshotId, viewer) }
    if (source?.kind === 'volume') return { source: await usableVolume(db, source.volumeId, viewer) }
    if (source?.kind === 'image') return { image: await this.#image(source.imageId, viewer) }
    return {}
  }

  async #image(id: string, viewer: VolumeViewer): Promise<ImageInfo> {
    const image = await this.#parts.facades.glance.imageFetch(id, viewer)
    if (!image)
      throw badRequest('Invalid image identifier or unable to access requested image.', { field: 'imageRef' })
    if (image.status !== 'active') throw invalidInput(`Image ${id} is not active.`, 'imageRef')
    return image
  }

  async #type(order: VolumeOrder, viewer: VolumeViewer, { snapshot, source, image }: Sources): Promise<VolumeType> {
    if (order.typeName !== undefined) return this.#types.find(viewer, order.typeName)
    const inherited = snapshot?.typeId ?? source?.typeId
    const type = inherited === undefined ? undefined : await typeFetch(this.#parts.db, inherited)
    if (type) return type
    const wished = image?.properties.cinder_img_volume_type
    return wished === undefined ? this.#types.defaultFor(order.projectId) : this.#types.find(viewer, wished)
  }

  #size(asked: number | undefined, { snapshot, source }: Sources): number {
    const size = asked ?? snapshot?.sizeGiB ?? source?.sizeGiB
    if (size === undefined || !Number.isInteger(size) || size < 1)
      throw invalidInput(`Volume size '${size ?? null}' must be an integer and greater than 0`, 'size')
    if (snapshot && size < snapshot.sizeGiB) {
      throw invalidInput(
        `Volume size '${size}'GB cannot be smaller than the snapshot size ${snapshot.sizeGiB}GB. ` +
          'They must be >= original snapshot size.',
        'size',
      )
    }
    if (source && size < source.sizeGiB) {
      throw invalidInput(
        `Volume size '${size}'GB cannot be smaller than original volume size  ${source.sizeGiB}GB. ` +
          'They must be >= original volume size.',
        'size',
      )
    }
    return size
  }

  /** The row, its claim and the order to make it, all or nothing. Idempotent by id. */
  async ensure(tx: Tx, prepared: PreparedVolume): Promise<Volume> {
    const before = await volumeFetch(tx, prepared.id)
    if (before) return before
    const { id, projectId, sizeGiB, typeName } = prepared
    await assertSourcesStay(tx, prepared)
    const charge = { projectId, subject: volumeSubject(id), amounts: volumeAmounts(sizeGiB, typeName) }
    const volume = draftOf(prepared, this.#parts.clock.now())
    volume.charges = [await take(this.#parts, tx, charge)]
    await volumeInsert(tx, volume)
    tx.emit('cinder.volume.changed', { id })
    return volume
  }
}

const draftOf = (prepared: PreparedVolume, at: number): Volume => ({
  id: prepared.id,
  projectId: prepared.projectId,
  userId: prepared.userId,
  name: prepared.name,
  description: prepared.description,
  sizeGiB: prepared.sizeGiB,
  status: 'creating',
  task: { do: 'create' },
  tries: 0,
  previousStatus: 'creating',
  typeId: prepared.typeId,
  hostName: prepared.hostName,
  zone: prepared.availabilityZone,
  bootable: prepared.bootable,
  multiattach: prepared.multiattach,
  readOnly: null,
  snapshotId: prepared.snapshotId,
  sourceId: prepared.sourceVolumeId,
  imageId: prepared.imageId,
  metadata: prepared.metadata,
  imageMetadata: prepared.imageMetadata,
  charges: [],
  createdAt: at,
  updatedAt: at,
})

const usableSnapshot = async (executor: Executor, id: string, viewer: VolumeViewer): Promise<Snapshot> => {
  const snapshot = await snapshotFetch(executor, id)
  if (!snapshot || (!viewer.isAdmin && snapshot.projectId !== viewer.projectId)) throw noSnapshot(id)
  if (snapshot.status !== 'available')
    throw invalidSnapshot("Originating snapshot status must be one of 'available' values")
  return snapshot
}

const usableVolume = async (executor: Executor, id: string, viewer: VolumeViewer): Promise<Volume> => {
  const volume = await volumeFetch(executor, id)
  if (!volume || (!viewer.isAdmin && volume.projectId !== viewer.projectId)) throw noVolume(id)
  if (!sourceStates.includes(volume.status))
    throw invalidVolume(`Originating volume status must be one of ${anyOf(sourceStates)} values`)
  return volume
}

/** What was looked up before the transaction is still there in it. */
const assertSourcesStay = async (tx: Tx, { snapshotId, sourceVolumeId }: PreparedVolume): Promise<void> => {
  const everything = { projectId: '', isAdmin: true }
  if (snapshotId !== null) await usableSnapshot(tx, snapshotId, everything)
  if (sourceVolumeId !== null) await usableVolume(tx, sourceVolumeId, everything)
}

const zoneOf = (asked: string | undefined): string => {
  if (asked === undefined || asked === zone) return zone
  throw badRequest(`Availability zone '${asked}' is invalid.`, { field: 'availability_zone' })
}

const assertFits = (image: ImageInfo, sizeGiB: number): void => {
  const imageGiB = Math.ceil((image.sizeBytes ?? 0) / bytesPerGiB)
  if (imageGiB > sizeGiB)
    throw invalidInput(`Size of specified image ${imageGiB}GB is larger than volume size ${sizeGiB}GB.`, 'size')
  if (image.minDiskGiB > sizeGiB)
    throw invalidInput(
      `Volume size ${sizeGiB}GB cannot be smaller than the image minDisk size ${image.minDiskGiB}GB.`,
      'size',
    )
}

const imageMetadataOf = (image: ImageInfo): Record<string, string> => ({
  ...image.properties,
  image_id: image.id,
  image_name: image.name,
  container_format: image.containerFormat ?? '',
  disk_format: image.diskFormat ?? '',
  min_disk: String(image.minDiskGiB),
  min_ram: String(image.minRamMiB),
  size: String(image.sizeBytes ?? 0),
})
