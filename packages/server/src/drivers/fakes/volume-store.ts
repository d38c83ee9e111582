/** A host's volumes in memory: what they hold, and which container each is plugged into. It outlives processes. */
import { Readable } from 'node:stream'
import { badRequest, conflict, notFound, tooLarge } from '#platform/errors/errors.ts'
import type { DiskFormat, NewVolume, StoredVolume, VolumeOrigin, VolumePlug } from '#services/cinder/ports.ts'
import { volumesMountPoint, type Plugged, type StoreSpace, type VolumeStore } from '#services/cinder/ports.ts'

interface Kept {
  kind: 'volume' | 'snapshot'
  volumeId?: string
  sizeBytes: number
  /** What was written, from the beginning; the rest is zeros. */
  data: Buffer
}

const chunkBytes = 2 ** 20

export class FakeVolumeStore implements VolumeStore {
  readonly kept = new Map<string, Kept>()
  readonly plugs: VolumePlug[] = []
  readonly slots = new Set<string>()
  /** Volumes that a program in their container has open. */
  readonly busy = new Set<string>()
  /** `plug` of these fails with this. */
  readonly broken = new Map<string, Error>()
  totalBytes = 100 * 2 ** 30

  async space(): Promise<StoreSpace> {
    const used = [...this.kept.values()].reduce((sum, { data }) => sum + data.length, 0)
    return { totalBytes: this.totalBytes, freeBytes: this.totalBytes - used }
  }

  async create(volume: NewVolume, origin: VolumeOrigin): Promise<void> {
    if (this.#exists(volume)) return
    const from = origin.kind === 'blank' ? undefined : origin.kind === 'volume' ? origin.volumeId : origin.snapshotId
    this.#make(volume, from === undefined ? Buffer.alloc(0) : this.#require(from).data)
  }

  async createFrom(volume: NewVolume, stream: Readable, format: DiskFormat | 'packed'): Promise<void> {
    try {
      if (this.#exists(volume)) return
      if (format !== 'raw' && format !== 'packed')
        throw badRequest(`This host cannot read disk_format ${format}`, { field: 'disk_format' })
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
      this.#make(volume, Buffer.concat(chunks))
    } finally {
      stream.destroy()
    }
  }

  async read(id: string): Promise<Readable> {
    const { data, sizeBytes } = this.#require(id)
    return Readable.from(padded(data, sizeBytes))
  }

  async readPacked(id: string): Promise<Readable> {
    return await this.read(id)
  }

  async extend(id: string, sizeBytes: number): Promise<void> {
    const volume = this.#require(id)
    volume.sizeBytes = Math.max(volume.sizeBytes, sizeBytes)
  }

  async remove(id: string): Promise<void> {
    this.#assertFree(id)
    if (this.kept.get(id)?.kind === 'volume') this.kept.delete(id)
  }

  async snapshotCreate({ id, volumeId }: { id: string; volumeId: string }): Promise<void> {
    const { data, sizeBytes } = this.#require(volumeId)
    if (!this.kept.has(id)) this.kept.set(id, { kind: 'snapshot', volumeId, sizeBytes, data })
  }

  async snapshotRemove(id: string): Promise<void> {
    if (this.kept.get(id)?.kind === 'snapshot') this.kept.delete(id)
  }

  async revert(volumeId: string, snapshotId: string): Promise<void> {
    this.#assertFree(volumeId)
    this.#require(volumeId).data = this.#require(snapshotId).data
  }

  async list(): Promise<StoredVolume[]> {
    return [...this.kept].map(([id, { kind, volumeId, sizeBytes, data }]) => ({
      id,
      kind,
      ...(volumeId !== undefined && { volumeId }),
      sizeBytes,
      usedBytes: data.length,
    }))
  }

  async slot(workloadId: string): Promise<string | undefined> {
    this.slots.add(workloadId)
    return `/slots/${workloadId}`
  }

  async plug(plug: VolumePlug): Promise<Plugged> {
    this.#require(plug.volumeId)
    const broken = this.broken.get(plug.volumeId)
    if (broken) throw broken
    const known = this.#plugOf(plug)
    if (known) Object.assign(known, plug)
    else this.plugs.push({ ...plug })
    return { mountPath: plug.use === 'device' ? null : plug.device.replace('/dev', volumesMountPoint) }
  }

  async unplug(plug: Pick<VolumePlug, 'volumeId' | 'workloadId'>): Promise<void> {
    const known = this.#plugOf(plug)
    if (known && this.busy.has(plug.volumeId)) throw conflict('target is busy', { reason: 'busy' })
    if (known) this.plugs.splice(this.plugs.indexOf(known), 1)
  }

  async holders(): Promise<string[]> {
    return [...new Set([...this.slots, ...this.plugs.map(({ workloadId }) => workloadId)])]
  }

  async clear(workloadId: string): Promise<void> {
    for (const plug of this.plugs.filter((each) => each.workloadId === workloadId)) await this.unplug(plug)
    this.slots.delete(workloadId)
  }

  #plugOf = ({ volumeId, workloadId }: Pick<VolumePlug, 'volumeId' | 'workloadId'>): VolumePlug | undefined =>
    this.plugs.find((each) => each.volumeId === volumeId && each.workloadId === workloadId)

  #require(id: string): Kept {
    const kept = this.kept.get(id)
    if (!kept) throw notFound(`No volume and no snapshot ${id} is on this host`)
    return kept
  }

  #exists({ id, sizeBytes }: NewVolume): boolean {
    const known = this.kept.get(id)
    if (known && known.sizeBytes !== sizeBytes) throw conflict(`Volume ${id} is there with ${known.sizeBytes} bytes`)
    return known !== undefined
  }

  #make({ id, sizeBytes }: NewVolume, data: Buffer): void {
    if (data.length > sizeBytes) throw tooLarge(`${data.length} bytes do not fit into a volume of ${sizeBytes}`)
    this.kept.set(id, { kind: 'volume', sizeBytes, data })
  }

  #assertFree(id: string): void {
    if (this.plugs.some(({ volumeId }) => volumeId === id)) throw conflict(`Volume ${id} is plugged in`)
  }
}

export const createFakeVolumeStore = (): FakeVolumeStore => new FakeVolumeStore()

function* padded(data: Buffer, sizeBytes: number): Generator<Buffer> {
  if (data.length > 0) yield data
  for (let rest = sizeBytes - data.length; rest > 0; rest -= chunkBytes)
    yield Buffer.alloc(Math.min(rest, chunkBytes))
}
