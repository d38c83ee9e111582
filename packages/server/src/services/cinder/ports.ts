/** What Cinder needs from a host: bytes of a fixed size. Implemented by `drivers/volumes` and `drivers/fakes`. */
import type { Readable } from 'node:stream'

/** What a volume's bytes begin as. Ids are Cinder's volume and snapshot ids; all are on the same host. */
export type VolumeOrigin =
  { kind: 'blank' } | { kind: 'volume'; volumeId: string } | { kind: 'snapshot'; snapshotId: string }

export interface NewVolume {
  /** Cinder's volume id: the idempotency key. */
  id: string
  sizeBytes: number
}

/** How the bytes of a stream are to be read: Glance's `disk_format`. */
export type DiskFormat = 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vhd' | 'vhdx' | 'iso' | 'ploop' | 'ami' | 'ari' | 'aki'

/** A volume or a snapshot that a host has, of this cloud alone. */
export interface StoredVolume {
  id: string
  kind: 'volume' | 'snapshot'
  /** Of a snapshot: the volume it was taken of. */
  volumeId?: string
  sizeBytes: number
  /** What the file really takes of the disk. */
  usedBytes: number
  /** The host's block device while there is one, such as `/dev/loop3`. */
  device?: string
}

/** Free and whole space of where the volumes are, in bytes. */
export interface StoreSpace {
  totalBytes: number
  freeBytes: number
}

/** Where a container sees the volumes that are mounted for it: below it, `vdb` is the one attached as `/dev/vdb`. */
export const volumesMountPoint = '/mnt/volumes'

/** A volume in a container: `device` is its name there, such as `/dev/vdb`. */
export interface VolumePlug {
  volumeId: string
  workloadId: string
  /** A process in the container; 0 while it does not run: what can be done before it does is done. */
  pid: number
  device: string
  /** `auto`: mounted, when it has a file system or is blank and is given one; else, and by `device`, the raw device. */
  use: 'auto' | 'device'
  readOnly: boolean
}

/** How a volume is in its container: mounted at a path there, or (null) as the raw device that was asked for. */
export interface Plugged {
  mountPath: string | null
}

/**
 * One host's volumes. Every method is idempotent by id, survives being killed at any point and called again, and
 * throws kinds: `notFound` (no such volume, snapshot or source), `conflict` (in use, or exists in another size),
 * `badRequest` (the format cannot be read here: says which can), `tooLarge` (the host's disk or the volume is too
 * small: says by how much), `unavailable` (the host does not answer: ask again).
 */
export interface VolumeStore {
  space(): Promise<StoreSpace>
  /** Made whole or not at all. One that exists with this size is left as it is. Grown when its origin is smaller. */
  create(volume: NewVolume, origin: VolumeOrigin): Promise<void>
  /** The same from a stream, which is read to its end or destroyed. One that exists is left as it is. */
  createFrom(volume: NewVolume, data: Readable, format: DiskFormat | 'packed'): Promise<void>
  /** The volume's bytes, raw and whole; of a snapshot too. */
  read(id: string): Promise<Readable>
  /** The same for the way to another host, whose `createFrom` takes it as `packed`: holes cost next to nothing. */
  readPacked(id: string): Promise<Readable>
  /** Grows it, attached or not; a file system that the host mounted for it grows too. Never shrinks. */
  extend(id: string, sizeBytes: number): Promise<void>
  /** Throws `conflict` while it is plugged in. */
  remove(id: string): Promise<void>
  /** What the volume's bytes are now, kept; a plugged volume is flushed first. */
  snapshotCreate(snapshot: { id: string; volumeId: string }): Promise<void>
  snapshotRemove(id: string): Promise<void>
  /** The volume's bytes become the snapshot's, and its size stays. Throws `conflict` while it is plugged in. */
  revert(volumeId: string, snapshotId: string): Promise<void>
  list(): Promise<StoredVolume[]>

  /**
   * A directory of the host for `volumesMountPoint` of this workload's container, which is made with it (read-only,
   * `rslave`): what is plugged in later appears there. Undefined: this host cannot mount, so containers go without.
   */
  slot(workloadId: string): Promise<string | undefined>
  /** Puts the volume into the container, again before and after each start. `conflict` says what must change. */
  plug(plug: VolumePlug): Promise<Plugged>
  /** Takes it out; throws `conflict` while the container uses it. A container that is gone holds nothing. */
  unplug(plug: Pick<VolumePlug, 'volumeId' | 'workloadId'>): Promise<void>
  /** Workloads that have a slot here, or hold a volume. */
  holders(): Promise<string[]>
  /** The workload is gone from this host, and its container with it: whatever it held is let go, and its slot. */
  clear(workloadId: string): Promise<void>
}

/** Where backups are kept, apart from hosts: byte strings by backup id. A write is all or nothing. */
export interface BackupStore {
  write(key: string, data: Readable): Promise<unknown>
  /** Throws `notFound`. */
  read(key: string): Promise<Readable>
  /** Idempotent. */
  remove(key: string): Promise<void>
}

export interface CinderPorts {
  backups: BackupStore
}
