/** What hosts do for volumes, one kind of work each. All of it may be done again after a crash at any point. */
import { pipeline } from 'node:stream/promises'
import { PassThrough, type Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { unavailable } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import type { BackupStore, DiskFormat, NewVolume, VolumeOrigin, VolumeStore } from '../ports.ts'
import { giveBack } from '../manager/charges.ts'
import type { VolumeHosts } from '../manager/hosts.ts'
import type { MessageAction, Messages } from '../manager/messages.ts'
import { bytesPerGiB, type Volume, type VolumeTask } from '../manager/model.ts'
import type { CinderParts } from '../manager/parts.ts'
import { extendSubject } from '../manager/quota-words.ts'
import { backupTryMove } from '../store/backups.ts'
import { snapshotTryMove } from '../store/snapshots.ts'
import { transfersForget } from '../store/transfers.ts'
import { typeFetch } from '../store/types.ts'
import { volumeDelete, volumeHost, volumeTryMove, volumeUpdate } from '../store/volumes.ts'
import type { BackupEvent, VolumeEvent } from '../states/volume.ts'

export interface WorkParts extends CinderParts {
  choosing: VolumeHosts
  backups: BackupStore
  messages: Messages
}

/** The task of one kind, with all it needs. */
type Task<Name extends VolumeTask['do']> = Extract<VolumeTask, { do: Name }>

export class VolumeWork {
  readonly #parts: WorkParts
  constructor(parts: WorkParts) {
    this.#parts = parts
  }

  /** Throws what the host says; done when it returns. */
  async run(volume: Volume, task: VolumeTask): Promise<void> {
    if (task.do === 'create') return this.#create(volume)
    if (task.do === 'extend') return this.#extend(volume, task)
    if (task.do === 'upload') return this.#upload(volume, task)
    if (task.do === 'revert') return this.#revert(volume, task)
    if (task.do === 'move') return this.#move(volume, task)
    if (task.do === 'backup') return this.#backup(volume, task)
    if (task.do === 'restore') return this.#restore(volume, task)
    return this.#delete(volume)
  }

  /** The first to choose a host decides; where the bytes come from may have decided before. */
  async #create(volume: Volume): Promise<void> {
    const hostName = volume.hostName ?? (await this.#choose(volume))
    if (hostName === undefined) return
    const store = this.#store(hostName)
    if (volume.imageId !== null && volume.sourceId === null && volume.snapshotId === null)
      await this.#download(volume, store, volume.imageId)
    else await store.create(newVolume(volume), originOf(volume))
    await this.#finish(volume, 'created')
  }

  /** Undefined: another process chose meanwhile, and goes on. */
  async #choose(volume: Volume): Promise<string | undefined> {
    const { db, choosing } = this.#parts
    const hostName = await choosing.choose(volume.sizeGiB, await typeFetch(db, volume.typeId))
    const isMine = await db.transaction((tx) => volumeHost(tx, volume.id, hostName))
    return isMine ? hostName : undefined
  }

  async #download(volume: Volume, store: VolumeStore, imageId: string): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      if (await volumeTryMove(tx, volume.id, 'downloading')) tx.emit('cinder.volume.changed', { id: volume.id })
    })
    const { stream } = await this.#parts.facades.glance.imageData(imageId)
    const format = (volume.imageMetadata?.disk_format || 'raw') as DiskFormat
    await store.createFrom(newVolume(volume), stream, format)
  }

  async #extend(volume: Volume, { sizeGiB }: Task<'extend'>): Promise<void> {
    await this.#storeOf(volume).extend(volume.id, sizeGiB * bytesPerGiB)
    await this.#settle(volume, { sizeGiB })
  }

  async #upload(volume: Volume, { image }: Task<'upload'>): Promise<void> {
    const { glance } = this.#parts.facades
    await glance.snapshotEnsure(image)
    await glance.snapshotUpload(image.id, await this.#storeOf(volume).read(volume.id))
    await this.#settle(volume)
  }

  async #revert(volume: Volume, { snapshotId }: Task<'revert'>): Promise<void> {
    await this.#storeOf(volume).revert(volume.id, snapshotId)
    await this.#settle(volume, {}, (tx) => snapshotTryMove(tx, snapshotId, 'restored'))
  }

  /** First the bytes, then the row, then what is left where they were: the row always names a host that has them. */
  async #move(volume: Volume, task: Task<'move'>): Promise<void> {
    if (task.from !== undefined) {
      await this.#store(task.from).remove(volume.id)
      return this.#settle(volume)
    }
    const [from, to] = [volume.hostName!, task.hostName]
    const target = this.#store(to)
    // What an earlier move left there is of another time.
    if (volume.tries === 0) await target.remove(volume.id)
    await target.createFrom(newVolume(volume), await this.#store(from).readPacked(volume.id), 'packed')
    await this.#parts.db.transaction(async (tx) => {
      await volumeUpdate(tx, volume.id, { hostName: to, task: { ...task, from } })
      tx.emit('cinder.volume.changed', { id: volume.id })
    })
  }

  /** Of a moment: a snapshot of the host is held under the backup's id while its bytes are read. */
  async #backup(volume: Volume, { backupId, snapshotId }: Task<'backup'>): Promise<void> {
    const store = this.#storeOf(volume)
    if (snapshotId === null) await store.snapshotCreate({ id: backupId, volumeId: volume.id })
    await this.#parts.backups.write(backupId, packed(await store.read(snapshotId ?? backupId)))
    if (snapshotId === null) await store.snapshotRemove(backupId)
    await this.#settle(volume, {}, (tx) => this.#backupMove(tx, backupId, 'created'))
  }

  /** What the volume held goes first, and the row says so: it is never taken for what the backup has. */
  async #restore(volume: Volume, task: Task<'restore'>): Promise<void> {
    const hostName = volume.hostName ?? (await this.#choose(volume))
    if (hostName === undefined) return
    const store = this.#store(hostName)
    if (!task.emptied) {
      await store.remove(volume.id)
      await this.#parts.db.transaction((tx) => volumeUpdate(tx, volume.id, { task: { ...task, emptied: true } }))
    }
    const data = await this.#parts.backups.read(task.backupId)
    await store.createFrom(newVolume(volume), unpacked(data), 'raw')
    await this.#settle(volume, {}, (tx) => this.#backupMove(tx, task.backupId, 'restored'))
  }

  #backupMove(tx: Tx, id: string, event: BackupEvent, failReason?: string): Promise<boolean> {
    const updatedAt = this.#parts.clock.now()
    return backupTryMove(tx, id, event, { updatedAt, ...(failReason !== undefined && { failReason }) })
  }

  async #delete(volume: Volume): Promise<void> {
    const { hostName, id, projectId, charges } = volume
    if (hostName !== null && this.#isKnown(hostName)) await this.#store(hostName).remove(id)
    await this.#parts.db.transaction(async (tx) => {
      const subjects = charges.map(({ subject }) => subject)
      await giveBack(this.#parts, tx, projectId, subjects)
      await transfersForget(tx, id)
      await volumeDelete(tx, id)
      tx.emit('cinder.volume.changed', { id })
    })
  }

  /** A host that left the cloud took its volumes with it. */
  #isKnown(hostName: string): boolean {
    const { hosts } = this.#parts
    return hosts.find(hostName) !== undefined || (hosts.known?.() ?? []).some(({ name }) => name === hostName)
  }

  #storeOf({ id, hostName }: Volume): VolumeStore {
    if (hostName === null) throw unavailable(`Volume ${id} is on no host yet`)
    return this.#store(hostName)
  }

  #store(hostName: string): VolumeStore {
    const store = this.#parts.hosts.find(hostName)?.volumes
    if (!store) throw unavailable(`Host ${hostName} does not answer, or keeps no volumes`)
    return store
  }

  #settle(volume: Volume, fields: Partial<Volume> = {}, also?: (tx: Tx) => Promise<unknown>): Promise<void> {
    const event = volume.previousStatus === 'in-use' ? 'settledInUse' : 'settledFree'
    return this.#finish(volume, event, fields, also)
  }

  /** An operator may have said otherwise meanwhile: then the work is done and the status is theirs. */
  async #finish(
    { id }: Volume,
    event: VolumeEvent,
    fields: Partial<Volume> = {},
    also?: (tx: Tx) => Promise<unknown>,
  ): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const done = { ...fields, task: null, updatedAt: this.#parts.clock.now() }
      if (!(await volumeTryMove(tx, id, event, done))) await volumeUpdate(tx, id, done)
      await also?.(tx)
      tx.emit('cinder.volume.changed', { id })
    })
  }

  /** Cannot be done: the volume says so in its status, its owner in a message, and what was charged is given back. */
  async fail(volume: Volume, task: VolumeTask, reason: string): Promise<void> {
    const { facades, messages } = this.#parts
    if (task.do === 'upload') await facades.glance.snapshotFail(task.image.id)
    if (task.do === 'backup' && task.snapshotId === null) await this.#storeOf(volume).snapshotRemove(task.backupId)
    const about = { projectId: volume.projectId, resourceType: 'VOLUME' as const, resourceId: volume.id }
    const action = failedAction(volume, task)
    await this.#finish(volume, failedEvent(volume, task), {}, async (tx) => {
      await messages.tell(tx, about, action, reason)
      if (task.do === 'extend') await this.#giveGrowthBack(tx, volume, task)
      if (task.do === 'revert') await snapshotTryMove(tx, task.snapshotId, 'restored')
      if (task.do === 'backup') await this.#backupMove(tx, task.backupId, 'failed', reason)
      if (task.do === 'restore') await this.#backupMove(tx, task.backupId, 'restored', reason)
    })
  }

  async #giveGrowthBack(tx: Tx, volume: Volume, { sizeGiB }: Task<'extend'>): Promise<void> {
    const subject = extendSubject(volume.id, sizeGiB)
    await giveBack(this.#parts, tx, volume.projectId, [subject])
    await volumeUpdate(tx, volume.id, { charges: volume.charges.filter((charge) => charge.subject !== subject) })
  }
}

const newVolume = ({ id, sizeGiB }: Volume): NewVolume => ({ id, sizeBytes: sizeGiB * bytesPerGiB })

/** Most of a volume is zeros: they take next to nothing when packed. What fails on the way ends the reader. */
const through = (from: Readable, by: NodeJS.ReadWriteStream): Readable => {
  const out = new PassThrough()
  pipeline(from, by, out).catch((error: Error) => out.destroy(error))
  return out
}
const packed = (data: Readable): Readable => through(data, createGzip({ level: 1 }))
const unpacked = (data: Readable): Readable => through(data, createGunzip())

const originOf = ({ snapshotId, sourceId }: Volume): VolumeOrigin => {
  if (snapshotId !== null) return { kind: 'snapshot', snapshotId }
  return sourceId === null ? { kind: 'blank' } : { kind: 'volume', volumeId: sourceId }
}

const failedEvent = (volume: Volume, task: VolumeTask): VolumeEvent => {
  if (task.do === 'create' || task.do === 'revert') return 'failed'
  if (task.do === 'extend') return 'extendFailed'
  if (task.do === 'restore') return 'restoreFailed'
  if (task.do === 'delete') return 'deleteFailed'
  return volume.previousStatus === 'in-use' ? 'settledInUse' : 'settledFree'
}

const failedAction = (volume: Volume, task: VolumeTask): MessageAction => {
  if (task.do !== 'create') return task.do
  if (volume.hostName === null) return 'allocate'
  return volume.imageId === null ? 'create' : 'download'
}
