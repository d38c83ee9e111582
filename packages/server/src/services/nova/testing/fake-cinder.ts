/** Cinder in memory, as much of it as Nova asks for: volumes are made and moved when a test says so. */
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import type {
  AttachmentInfo, CinderFacade, PreparedVolume, VolumeInfo, VolumeOrder, VolumeViewer,
} from '#services/cinder/facade.ts'

type Cinder = Pick<CinderFacade, 'volumeFetch' | 'volumesFetchMany' | 'volumePrepare' | 'volumeEnsure' | 'volumeDelete'
  | 'attachmentReserve' | 'attachmentBegin' | 'attachmentComplete' | 'detachBegin' | 'detachUndo' | 'attachmentRelease'
  | 'volumeMove'>

export class FakeCinder implements Cinder {
  readonly volumes = new Map<string, VolumeInfo>()
  readonly attachments = new Map<string, AttachmentInfo>()
  /** Where the next volumes cannot move, and why. */
  immovable: string | undefined

  add(id: string, change: Partial<VolumeInfo> = {}): VolumeInfo {
    const volume: VolumeInfo = {
      id, projectId: 'project-a', userId: 'user-a', name: '', description: '', status: 'available', sizeGiB: 1,
      hostName: null, movingTo: null, availabilityZone: 'nova', typeName: 'default', bootable: false,
      multiattach: false, readOnly: false, metadata: {}, attachments: [], ...change,
    }
    this.volumes.set(id, volume)
    return volume
  }

  statusOf = (id: string): string => this.volumes.get(id)?.status ?? 'gone'

  /** What was ordered is made, and what moves arrives. */
  settle(): void {
    for (const volume of this.volumes.values()) {
      if (volume.status === 'creating') volume.status = 'available'
      if (volume.movingTo) Object.assign(volume, { hostName: volume.movingTo, movingTo: null })
    }
  }

  async volumeFetch(_executor: unknown, id: string, viewer?: VolumeViewer): Promise<VolumeInfo | undefined> {
    const volume = this.volumes.get(id)
    return !viewer || viewer.isAdmin || volume?.projectId === viewer.projectId ? volume : undefined
  }
  async volumesFetchMany(_executor: unknown, ids: readonly string[]): Promise<Map<string, VolumeInfo>> {
    return new Map(ids.flatMap((id) => { const one = this.volumes.get(id); return one ? [[id, one] as const] : [] }))
  }

  async volumePrepare(order: VolumeOrder): Promise<PreparedVolume> {
    const { source } = order
    if (source?.kind === 'snapshot') throw notFound(`Snapshot ${source.snapshotId} could not be found.`)
    return {
      id: order.id, projectId: order.projectId, userId: order.userId, name: order.name, description: '',
      sizeGiB: order.sizeGiB ?? 1, typeId: 't', typeName: order.typeName ?? 'default', availabilityZone: 'nova',
      hostName: order.hostName ?? null, snapshotId: null, sourceVolumeId: null,
      imageId: source?.kind === 'image' ? source.imageId : null, imageMetadata: null, bootable: false,
      multiattach: false, metadata: {},
    }
  }
  async volumeEnsure(_tx: unknown, prepared: PreparedVolume): Promise<VolumeInfo> {
    const { id, projectId, sizeGiB, hostName } = prepared
    return this.volumes.get(id) ?? this.add(id, { projectId, sizeGiB, hostName, status: 'creating' })
  }
  async volumeDelete(_tx: unknown, id: string): Promise<void> {
    if (this.#holders(id).length) throw conflict(`Volume ${id} is attached`)
    this.volumes.delete(id)
  }

  async attachmentReserve(
    _tx: unknown, { id, volumeId, serverId, mode = 'rw' }: Parameters<CinderFacade['attachmentReserve']>[1],
  ): Promise<AttachmentInfo> {
    const volume = this.volumes.get(volumeId)
    if (!volume) throw notFound(`Volume ${volumeId} could not be found.`)
    const known = this.attachments.get(id)
    if (known) return known
    if (volume.status !== 'available') throw badRequest(
      `Invalid volume: Volume ${volumeId} status must be available, but current status is: ${volume.status}`,
    )
    const attachment: AttachmentInfo = {
      id, volumeId, serverId, status: 'reserved', hostName: null, device: null, mode, attachedAt: null,
      detachedAt: null,
    }
    this.attachments.set(id, attachment)
    volume.status = 'reserved'
    return attachment
  }
  async attachmentBegin(_tx: unknown, id: string, at: { hostName: string; device: string }): Promise<AttachmentInfo> {
    const attachment = this.attachments.get(id)!
    if (this.volumes.get(attachment.volumeId)!.hostName !== at.hostName) throw conflict('The volume is elsewhere')
    return this.#move(id, 'attaching', 'attaching', at)
  }
  async attachmentComplete(_tx: unknown, id: string): Promise<void> { this.#move(id, 'attached', 'in-use') }
  async detachBegin(_tx: unknown, id: string): Promise<void> { this.#move(id, 'detaching', 'detaching') }
  async detachUndo(_tx: unknown, id: string): Promise<void> { this.#move(id, 'attached', 'in-use') }
  async attachmentRelease(_tx: unknown, id: string): Promise<void> {
    const attachment = this.attachments.get(id)
    if (!attachment) return
    this.attachments.delete(id)
    const volume = this.volumes.get(attachment.volumeId)
    if (volume && !this.#holders(volume.id).length) volume.status = 'available'
  }
  async volumeMove(_tx: unknown, id: string, hostName: string): Promise<void> {
    if (this.immovable !== undefined) throw conflict(this.immovable)
    this.volumes.get(id)!.movingTo = hostName
  }

  #holders = (id: string): AttachmentInfo[] => [...this.attachments.values()].filter(({ volumeId }) => volumeId === id)

  #move(
    id: string, status: AttachmentInfo['status'], volumeStatus: VolumeInfo['status'],
    change: Partial<AttachmentInfo> = {},
  ): AttachmentInfo {
    const attachment = Object.assign(this.attachments.get(id)!, { status, ...change })
    this.volumes.get(attachment.volumeId)!.status = volumeStatus
    return attachment
  }
}
