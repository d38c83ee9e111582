/** One host's volumes: sparse files, loop devices while they are plugged in, and mounts that containers see. */
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Clock } from '#platform/clock/clock.ts'
import { conflict } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import type {
  DiskFormat,
  NewVolume,
  Plugged,
  StoredVolume,
  StoreSpace,
  VolumeOrigin,
  VolumePlug,
  VolumeStore,
} from '#services/cinder/ports.ts'
import { contentOf, type Content } from './content.ts'
import { assertMountable, dropLostAndFound, format, growOffline, growOnline, mountVolume } from './file-systems.ts'
import { Holds, type Hold } from './holds.ts'
import { loopEnsure, loopFind, loopFree, loopGrow, loopsOf, type Loop } from './loops.ts'
import { Locks } from './locks.ts'
import { isMounted, mountsOf } from './mounts.ts'
import { devicePut, deviceTake } from './raw-device.ts'
import { Slots } from './slots.ts'
import { frozenCopy, thaw } from './snapshots.ts'
import { packed } from './packing.ts'
import { streamIn } from './stream-in.ts'
import { run } from './tools.ts'
import { VolumeFiles } from './volume-files.ts'

export interface HostVolumesOptions {
  /** Bears the owner's mark, for the kernel shows it with every loop device and mount. */
  folder: string
  clock: Clock
  log: Log
}

export class HostVolumes implements VolumeStore {
  readonly #files: VolumeFiles
  readonly #slots: Slots
  readonly #holds: Holds
  readonly #locks = new Locks()
  readonly #clock: Clock
  readonly #log: Log
  #restored: Promise<void> | undefined

  constructor({ folder, clock, log }: HostVolumesOptions) {
    this.#files = new VolumeFiles(join(folder, 'files'))
    this.#slots = new Slots(join(folder, 'slots'), log)
    this.#holds = new Holds(join(folder, 'holds'))
    this.#clock = clock
    this.#log = log
  }

  /** Puts back what a reboot took, and drops what a dead process left half made. Every other method waits for it. */
  restore(): Promise<void> {
    return (this.#restored ??= this.#restore().catch((error: unknown) => {
      this.#restored = undefined
      throw error
    }))
  }

  space = (): Promise<StoreSpace> => this.#files.space()

  create({ id, sizeBytes }: NewVolume, origin: VolumeOrigin): Promise<void> {
    return this.#alone(id, async () => {
      if (await this.#files.exists(id, sizeBytes)) return
      await this.#files.place(this.#files.pathOf(id), sizeBytes, async (part) => {
        if (origin.kind === 'volume') await this.#copyOf(origin.volumeId, part)
        if (origin.kind === 'snapshot') await this.#files.copy(await this.#files.source(origin.snapshotId), part)
      })
    })
  }

  async createFrom({ id, sizeBytes }: NewVolume, data: Readable, format: DiskFormat | 'packed'): Promise<void> {
    try {
      await this.#alone(id, async () => {
        if (await this.#files.exists(id, sizeBytes)) return
        const fill = (part: string) => streamIn(part, data, { sizeBytes, format })
        await this.#files.place(this.#files.pathOf(id), sizeBytes, fill)
      })
    } finally {
      data.destroy()
    }
  }

  async read(id: string): Promise<Readable> {
    await this.restore()
    for (const hold of this.#holds.ofVolume(id)) await this.#flush(hold)
    return await this.#files.read(id)
  }

  async readPacked(id: string): Promise<Readable> {
    return packed(await this.read(id))
  }

  extend(id: string, sizeBytes: number): Promise<void> {
    return this.#alone(id, async () => {
      const path = await this.#files.require(id)
      if ((await this.#files.sizeOf(id))! < sizeBytes) await this.#files.grow(id, sizeBytes)
      const loop = loopFind(path)
      if (!loop) return
      await loopGrow(loop)
      await this.#growMounted(id, path, loop)
    })
  }

  remove(id: string): Promise<void> {
    return this.#alone(id, async () => {
      this.#assertFree(id)
      const loop = loopFind(this.#files.pathOf(id))
      if (loop) await loopFree(loop, this.#clock)
      await this.#files.remove(id)
    })
  }

  snapshotCreate({ id, volumeId }: { id: string; volumeId: string }): Promise<void> {
    return this.#alone(volumeId, async () => {
      await this.#files.require(volumeId)
      if (await this.#files.snapshotPath(id)) return
      await this.#files.snapshotPlace({ id, volumeId }, (part) => this.#copyHeld(volumeId, part))
    })
  }

  async snapshotRemove(id: string): Promise<void> {
    await this.restore()
    await this.#files.snapshotRemove(id)
  }

  revert(volumeId: string, snapshotId: string): Promise<void> {
    return this.#alone(volumeId, async () => {
      const path = await this.#files.require(volumeId)
      this.#assertFree(volumeId)
      const from = await this.#files.source(snapshotId)
      await this.#files.place(path, await this.#files.sizeOf(volumeId), (part) => this.#files.copy(from, part))
    })
  }

  async list(): Promise<StoredVolume[]> {
    await this.restore()
    const loops = new Map(this.#ownLoops().map((loop) => [loop.file, loop.device]))
    const stored = (await this.#files.list()).map((each) => {
      const device = each.kind === 'volume' ? loops.get(this.#files.pathOf(each.id)) : undefined
      return { ...each, ...(device && { device }) }
    })
    return [...stored, ...this.#orphans()]
  }

  async slot(workloadId: string): Promise<string | undefined> {
    return await this.#slots.slot(workloadId)
  }

  plug(plug: VolumePlug): Promise<Plugged> {
    return this.#alone(plug.volumeId, async () => {
      const path = await this.#files.require(plug.volumeId)
      const point = this.#slots.pointOf(plug)
      const earlier = this.#holds.find(plug)
      if (earlier && earlier.device !== plug.device) await this.#takeOut(earlier)
      this.#holds.write(plug)
      if (isMounted(point)) return this.#mountedAlready(plug, path)
      const content = plug.use === 'device' ? { kind: 'other' as const } : await this.#prepared(plug.volumeId, path)
      if (content.kind === 'filesystem') return await this.#mount(plug, content, path)
      const loop = await loopEnsure(path)
      if (plug.pid > 0) await devicePut(plug, loop, plug.readOnly)
      return { mountPath: null }
    })
  }

  unplug(plug: Pick<VolumePlug, 'volumeId' | 'workloadId'>): Promise<void> {
    return this.#alone(plug.volumeId, async () => {
      const hold = this.#holds.find(plug)
      if (hold) await this.#takeOut(hold)
    })
  }

  async holders(): Promise<string[]> {
    const holds = this.#holds.list().map(({ workloadId }) => workloadId)
    return [...new Set([...(await this.#slots.list()), ...holds])]
  }

  async clear(workloadId: string): Promise<void> {
    await this.restore()
    for (const hold of this.#holds.ofWorkload(workloadId)) await this.unplug(hold)
    await this.#slots.clear(workloadId)
  }

  /** The cloud leaves this machine: nothing stays mounted or attached. The volumes themselves stay. */
  async letGo(): Promise<void> {
    await this.restore()
    for (const hold of this.#holds.list()) await this.unplug(hold)
    await this.#slots.unshare()
  }

  async #alone<T>(volumeId: string, work: () => Promise<T>): Promise<T> {
    await this.restore()
    return await this.#locks.run(volumeId, work)
  }

  async #restore(): Promise<void> {
    await this.#files.dropParts()
    const holds = this.#holds.list()
    for (const hold of holds) {
      try {
        await this.#putBack(hold)
      } catch (error) {
        this.#log.warn({ err: error, volume: hold.volumeId }, 'A volume could not be put back')
      }
    }
    const held = new Set(holds.map(({ volumeId }) => this.#files.pathOf(volumeId)))
    for (const loop of this.#ownLoops().filter(({ file, isOrphan }) => !isOrphan && !held.has(file)))
      await loopFree(loop, this.#clock).catch((error: unknown) =>
        this.#log.warn({ err: error, device: loop.device }, 'A loop device that nobody needs is in use'),
      )
  }

  /** A raw device goes into its container when that is started again. */
  async #putBack(hold: Hold): Promise<void> {
    const point = this.#slots.pointOf(hold)
    if (isMounted(point)) return await thaw(point)
    if (hold.use === 'device' || !(await this.#slots.slot(hold.workloadId))) return
    const path = await this.#files.require(hold.volumeId)
    const content = await contentOf(path)
    if (content.kind === 'filesystem') await this.#mount({ ...hold, pid: 0 }, content, path)
  }

  /** A blank volume is given a file system aside and whole, so that a half-made one is never taken for data. */
  async #prepared(volumeId: string, path: string): Promise<Content> {
    const content = await contentOf(path)
    if (content.kind !== 'blank') return content
    const loop = loopFind(path)
    if (loop) await loopFree(loop, this.#clock)
    const sizeBytes = (await this.#files.sizeOf(volumeId))!
    await this.#files.place(path, sizeBytes, async (part) => {
      await run('truncate', '--size', String(sizeBytes), part)
      await format(part, sizeBytes)
    })
    return await contentOf(path)
  }

  async #mount(plug: VolumePlug, content: Extract<Content, { kind: 'filesystem' }>, path: string): Promise<Plugged> {
    const point = this.#slots.pointOf(plug)
    if (!(await this.#slots.slot(plug.workloadId))) throw cannotMount()
    assertMountable(content)
    const loop = await loopEnsure(path)
    const isUsed = this.#holds.ofVolume(plug.volumeId).some((hold) => isMounted(this.#slots.pointOf(hold)))
    if (!isUsed) await growOffline(content, loop.device, (await this.#files.sizeOf(plug.volumeId))!)
    await mkdir(point, { recursive: true, mode: 0o755 })
    await mountVolume({ type: content.type, device: loop.device, point, readOnly: plug.readOnly })
    if (!plug.readOnly) await dropLostAndFound(point)
    return this.#seen(plug)
  }

  /** By an earlier call. Anything else there is not ours to judge, and nothing is mounted over it. */
  #mountedAlready(plug: VolumePlug, path: string): Plugged {
    const point = this.#slots.pointOf(plug)
    const source = mountsOf().findLast((mount) => mount.point === point)?.source
    if (source !== loopFind(path)?.device)
      throw conflict(`Another volume is still at ${plug.device}: detach it first`, { reason: 'device-taken' })
    return this.#seen(plug)
  }

  #seen({ pid, device }: VolumePlug): Plugged {
    if (pid > 0 && !this.#slots.isSeenBy(pid, device))
      throw conflict(
        'The container does not see the volume: it was made, or started by its engine, before this host was ready ' +
          'for volumes. Reboot it hard; if that does not help, rebuild it.',
        { reason: 'not-seen' },
      )
    return { mountPath: this.#slots.insideOf(device) }
  }

  /** The record goes last, so that a death on the way is finished by the next call. */
  async #takeOut(hold: Hold): Promise<void> {
    const point = this.#slots.pointOf(hold)
    while (isMounted(point)) await run('umount', point)
    await rmdir(point).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    const loop = loopFind(this.#files.pathOf(hold.volumeId))
    if (loop && hold.pid > 0) await deviceTake(hold, loop)
    const others = this.#holds.ofVolume(hold.volumeId).filter(({ workloadId }) => workloadId !== hold.workloadId)
    if (loop && others.length === 0) await loopFree(loop, this.#clock)
    this.#holds.remove(hold)
  }

  async #growMounted(id: string, path: string, loop: Loop): Promise<void> {
    const content = await contentOf(path)
    const [point] = this.#holds
      .ofVolume(id)
      .map((hold) => this.#slots.pointOf(hold))
      .filter(isMounted)
    if (content.kind !== 'filesystem' || point === undefined) return
    if (!(await growOnline(content.type, loop.device, point)))
      this.#log.info({ volume: id }, 'The file system could not grow while mounted: it does at the next attachment')
  }

  /** The other volume must not change between being copied and being made whole, so it is held as well. */
  #copyOf(volumeId: string, part: string): Promise<void> {
    return this.#locks.run(volumeId, async () => {
      await this.#files.require(volumeId)
      await this.#copyHeld(volumeId, part)
    })
  }

  async #copyHeld(volumeId: string, part: string): Promise<void> {
    const path = await this.#files.require(volumeId)
    const points = this.#holds
      .ofVolume(volumeId)
      .map((hold) => this.#slots.pointOf(hold))
      .filter(isMounted)
    const loop = loopFind(path)
    if (loop) await run('blockdev', '--flushbufs', loop.device)
    await (points[0] === undefined ? this.#files.copy(path, part) : frozenCopy(points[0], path, part))
  }

  async #flush(hold: Hold): Promise<void> {
    const point = this.#slots.pointOf(hold)
    if (isMounted(point)) await run('sync', '--file-system', point)
    const loop = loopFind(this.#files.pathOf(hold.volumeId))
    if (loop) await run('blockdev', '--flushbufs', loop.device)
  }

  #assertFree(volumeId: string): void {
    const [hold] = this.#holds.ofVolume(volumeId)
    if (hold)
      throw conflict(`Volume ${volumeId} is plugged into ${hold.workloadId}: detach it first`, { reason: 'in-use' })
  }

  #ownLoops = (): Loop[] => loopsOf().filter(({ file }) => file.startsWith(`${this.#files.folder}/`))

  /** Devices whose volume's file is gone. */
  #orphans(): StoredVolume[] {
    return this.#ownLoops().flatMap(({ file, isOrphan, device }) => {
      const id = /([0-9a-f-]{36})\.volume$/.exec(file)?.[1]
      return id && isOrphan ? [{ id, kind: 'volume' as const, sizeBytes: 0, usedBytes: 0, device }] : []
    })
  }
}

const cannotMount = () =>
  conflict('This host cannot pass mounts on to containers (its log says why), so it takes no volumes', {
    reason: 'no-mounts',
  })
