/** Cinder's rooms over a private database, with neighbours in memory that tell what was done to them. */
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { silentLog } from '#platform/log/log.ts'
import { uuid } from '#platform/ids/ids.ts'
import { FakeVolumeStore } from '#drivers/fakes/volume-store.ts'
import type { NewVolume, VolumeOrigin } from '../ports.ts'
import type { Amounts } from '#services/quota/facade.ts'
import type { WorkParts } from '../controllers/volume-work.ts'
import { VolumeHosts } from '../manager/hosts.ts'
import { Messages } from '../manager/messages.ts'
import type { Backup, Snapshot, Volume } from '../manager/model.ts'
import type { CinderParts } from '../manager/parts.ts'
import { Quotas } from '../manager/quotas.ts'
import { Types } from '../manager/types.ts'
import { migrations } from '../store/migrations.ts'
import { backupInsert } from '../store/backups.ts'
import { snapshotInsert } from '../store/snapshots.ts'
import { volumeInsert } from '../store/volumes.ts'

export const projectId = 'project-a'

/** What was done to all hosts, in order; the process dies after number `deathAt`, once. */
interface Diary {
  effects: string[]
  deathAt: number
}

const note = (diary: Diary, effect: string): void => {
  diary.effects.push(effect)
  if (diary.effects.length !== diary.deathAt) return
  diary.deathAt = 0
  throw new Error(`the process died after "${effect}"`)
}

/** Tells each change that it makes, once it is made. Reads give what was written, without the zeros after it. */
class TellingStore extends FakeVolumeStore {
  readonly #diary: Diary
  constructor(diary: Diary) {
    super()
    this.#diary = diary
  }

  #did(effect: string): void {
    note(this.#diary, effect)
  }

  override async read(id: string): Promise<Readable> {
    return Readable.from([this.kept.get(id)!.data])
  }

  override async create(volume: NewVolume, origin: VolumeOrigin): Promise<void> {
    const isNew = !this.kept.has(volume.id)
    await super.create(volume, origin)
    if (isNew) this.#did(`create ${volume.id}`)
  }
  override async createFrom(...asked: Parameters<FakeVolumeStore['createFrom']>): Promise<void> {
    const isNew = !this.kept.has(asked[0].id)
    await super.createFrom(...asked)
    if (isNew) this.#did(`fill ${asked[0].id}`)
  }
  override async extend(id: string, sizeBytes: number): Promise<void> {
    const isSmaller = (this.kept.get(id)?.sizeBytes ?? 0) < sizeBytes
    await super.extend(id, sizeBytes)
    if (isSmaller) this.#did(`extend ${id}`)
  }
  override async remove(id: string): Promise<void> {
    const isThere = this.kept.has(id)
    await super.remove(id)
    if (isThere) this.#did(`remove ${id}`)
  }
  override async snapshotCreate(asked: { id: string; volumeId: string }): Promise<void> {
    const isNew = !this.kept.has(asked.id)
    await super.snapshotCreate(asked)
    if (isNew) this.#did(`snapshot ${asked.id}`)
  }
  override async snapshotRemove(id: string): Promise<void> {
    const isThere = this.kept.has(id)
    await super.snapshotRemove(id)
    if (isThere) this.#did(`remove ${id}`)
  }
  override async revert(volumeId: string, snapshotId: string): Promise<void> {
    const isOther = this.kept.get(volumeId)?.data !== this.kept.get(snapshotId)?.data
    await super.revert(volumeId, snapshotId)
    if (isOther) this.#did(`revert ${volumeId}`)
  }
}

/** Claims by subject, without limits. */
export class CountingQuota {
  readonly held = new Map<string, Record<string, number>>()
  async reserve(_tx: unknown, { subject, deltas }: { subject: string; deltas: Amounts }): Promise<void> {
    if (!this.held.has(subject)) this.held.set(subject, { ...deltas })
  }
  async release(_tx: unknown, { subject, deltas }: { subject: string; deltas?: Amounts }): Promise<void> {
    const claim = this.held.get(subject)
    if (!deltas || !claim) return void this.held.delete(subject)
    for (const [name, amount] of Object.entries(deltas)) claim[name] = (claim[name] ?? 0) - amount
  }
  async limits(): Promise<Record<string, number>> {
    return {}
  }
  async ensureResource(): Promise<void> {}
}

export class CinderBench {
  readonly clock = new ManualClock()
  readonly diary: Diary = { effects: [], deathAt: 0 }
  readonly stores = { near: new TellingStore(this.diary), far: new TellingStore(this.diary) }
  readonly quota = new CountingQuota()
  readonly images = new Map<string, string>()
  readonly backups = new Map<string, Buffer>()
  /** Hosts that this process reaches; the others were heard of when the clock began. */
  readonly reached = new Set(['near', 'far'])
  readonly db: Database
  readonly parts: CinderParts

  constructor(db: Database) {
    this.db = db
    const seenAt = this.clock.now()
    const all = (['near', 'far'] as const).map((name) => ({ name, volumes: this.stores[name] }))
    const list = () => all.filter(({ name }) => this.reached.has(name))
    const known = () => all.map(({ name }) => ({ name, isAlive: this.reached.has(name), seenAt }))
    this.parts = {
      db,
      clock: this.clock,
      log: silentLog,
      hosts: { list, known, find: (name: string) => list().find((host) => host.name === name) },
      facades: { quota: this.quota, glance: this.#glance(), keystone: {} },
    } as unknown as CinderParts
  }

  static async open(database: TestDatabase): Promise<CinderBench> {
    const bench = new CinderBench(await database.open({ migrations: [{ service: 'cinder', migrations }] }))
    await bench.types.seed()
    return bench
  }

  #glance() {
    return {
      snapshotEnsure: async ({ id }: { id: string }) => {
        if (!this.images.has(id)) this.images.set(id, '')
      },
      snapshotUpload: async (id: string, data: Readable) => {
        let text = ''
        for await (const chunk of data) text += String(chunk)
        this.images.set(id, text)
      },
      snapshotFail: async (id: string) => void this.images.delete(id),
      imageData: async (id: string) => {
        const bytes = Buffer.from(this.images.get(id)!)
        return { stream: Readable.from([bytes]), sizeBytes: bytes.length, sha512: '' }
      },
    }
  }

  /** Packed bytes by backup id; each write and removal is an effect. */
  readonly #backups = {
    write: async (id: string, data: Readable) => {
      const isNew = !this.backups.has(id)
      const bytes = await buffer(data)
      this.backups.set(id, bytes)
      if (isNew) this.did(`back up ${id}`)
    },
    read: async (id: string) => Readable.from([this.backups.get(id)!]),
    remove: async (id: string) => {
      if (this.backups.delete(id)) this.did(`remove ${id}`)
    },
  }

  get types(): Types {
    return new Types(this.parts, new Quotas(this.parts))
  }

  work(): WorkParts {
    return {
      ...this.parts,
      choosing: new VolumeHosts(this.parts),
      messages: new Messages(this.parts),
      backups: this.#backups,
    }
  }

  did(effect: string): void {
    note(this.diary, effect)
  }

  effects(): string[] {
    return [...this.diary.effects]
  }

  /** A row of a volume, and its bytes if it has a host. */
  async volume(fields: Partial<Volume>): Promise<Volume> {
    const type = await this.types.defaultFor(projectId)
    const at = this.clock.now()
    const volume: Volume = {
      ...{ id: uuid(), projectId, userId: 'u', name: 'v', description: '', sizeGiB: 1, status: 'available' },
      ...{ task: null, tries: 0, previousStatus: 'available', typeId: type.id, hostName: null, zone: 'nova' },
      ...{ bootable: false, multiattach: false, readOnly: null, snapshotId: null, sourceId: null, imageId: null },
      ...{ metadata: {}, imageMetadata: null, charges: [], createdAt: at, updatedAt: at },
      ...fields,
    }
    await this.db.transaction((tx) => volumeInsert(tx, volume))
    return volume
  }

  /** The same with bytes on a host. */
  async stored(fields: Partial<Volume>, text = 'bytes'): Promise<Volume> {
    const volume = await this.volume({ hostName: 'near', ...fields })
    const kept = { kind: 'volume' as const, sizeBytes: volume.sizeGiB * 2 ** 30, data: Buffer.from(text) }
    this.stores[volume.hostName as 'near'].kept.set(volume.id, kept)
    return volume
  }

  async backup(fields: Partial<Backup> & { volumeId: string }): Promise<Backup> {
    const at = this.clock.now()
    const volume = { name: 'v', description: '', metadata: {}, imageMetadata: null, bootable: false }
    const backup: Backup = {
      ...{ id: uuid(), snapshotId: null, projectId, userId: 'u', name: 'b', description: '', container: 'c' },
      ...{ sizeGiB: 1, status: 'available', task: null, tries: 0, failReason: null, volume, metadata: {} },
      ...{ dataAt: at, createdAt: at, updatedAt: at },
      ...fields,
    }
    await this.db.transaction((tx) => backupInsert(tx, backup))
    return backup
  }

  async snapshot(fields: Partial<Snapshot> & { volumeId: string }): Promise<Snapshot> {
    const type = await this.types.defaultFor(projectId)
    const at = this.clock.now()
    const snapshot: Snapshot = {
      ...{ id: uuid(), projectId, userId: 'u', name: 's', description: '', sizeGiB: 1, status: 'available' },
      ...{
        task: null,
        tries: 0,
        progress: '100%',
        typeId: type.id,
        hostName: 'near',
        metadata: {},
        createdAt: at,
        updatedAt: at,
      },
      ...fields,
    }
    await this.db.transaction((tx) => snapshotInsert(tx, snapshot))
    return snapshot
  }
}
