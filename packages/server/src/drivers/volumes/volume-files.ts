/** Volumes and snapshots as sparse files of one folder: made aside, synced, and renamed when they are whole. */
import { createReadStream, mkdirSync } from 'node:fs'
import { open, readdir, rename, rm, stat, statfs, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { conflict, notFound, tooLarge } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { StoredVolume, StoreSpace } from '#services/cinder/ports.ts'
import { run } from './tools.ts'

const volumeName = /^([0-9a-f-]{36})\.volume$/
const snapshotName = /^([0-9a-f-]{36})\.of\.([0-9a-f-]{36})\.snapshot$/
const partName = /\.part$/

export class VolumeFiles {
  readonly folder: string
  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  pathOf(volumeId: string): string {
    return join(this.folder, `${volumeId}.volume`)
  }

  /** Undefined: there is no such volume. */
  async sizeOf(volumeId: string): Promise<number | undefined> {
    return (await statOf(this.pathOf(volumeId)))?.size
  }

  async require(volumeId: string): Promise<string> {
    if ((await this.sizeOf(volumeId)) === undefined) throw notFound(`Volume ${volumeId} is not on this host`)
    return this.pathOf(volumeId)
  }

  /** The file of a volume or of a snapshot. */
  async source(id: string): Promise<string> {
    const path = (await this.sizeOf(id)) === undefined ? await this.snapshotPath(id) : this.pathOf(id)
    if (path === undefined) throw notFound(`No volume and no snapshot ${id} is on this host`)
    return path
  }

  async snapshotPath(snapshotId: string): Promise<string | undefined> {
    const name = (await readdir(this.folder)).find((each) => snapshotName.exec(each)?.[1] === snapshotId)
    return name && join(this.folder, name)
  }

  /** True: it is there already, in this size. */
  async exists(volumeId: string, sizeBytes: number): Promise<boolean> {
    const known = await this.sizeOf(volumeId)
    if (known === undefined || known === sizeBytes) return known !== undefined
    throw conflict(`Volume ${volumeId} is there with ${known} bytes, and ${sizeBytes} were asked for`)
  }

  /** Fills a file aside, then gives it its size and its name: `path` holds all of it or does not exist. */
  async place(path: string, sizeBytes: number | undefined, fill: (part: string) => Promise<void>): Promise<void> {
    const part = `${path}.${uuid()}.part`
    try {
      await (await open(part, 'wx', 0o600)).close()
      await fill(part)
      await settle(part, sizeBytes)
      await rename(part, path)
      await syncFolder(this.folder)
    } finally {
      await rm(part, { force: true })
    }
  }

  /** Shares the blocks where the file system can, else copies what is not a hole. */
  async copy(from: string, to: string): Promise<void> {
    await run('cp', '--reflink=auto', '--sparse=always', '--no-preserve=all', from, to)
  }

  /** Keeps the volume's size, for a copy keeps what it copies. */
  async snapshotPlace(
    snapshot: { id: string; volumeId: string },
    fill: (part: string) => Promise<void>,
  ): Promise<void> {
    await this.place(join(this.folder, `${snapshot.id}.of.${snapshot.volumeId}.snapshot`), undefined, fill)
  }

  async snapshotRemove(snapshotId: string): Promise<void> {
    const path = await this.snapshotPath(snapshotId)
    if (path) await rm(path, { force: true })
  }

  /** Sparse blocks are given back by the file system; nothing of them can be read by another volume. */
  async remove(volumeId: string): Promise<void> {
    await rm(this.pathOf(volumeId), { force: true })
  }

  async grow(volumeId: string, sizeBytes: number): Promise<void> {
    await truncate(await this.require(volumeId), sizeBytes)
  }

  async read(id: string): Promise<Readable> {
    const file = await open(await this.source(id))
    return createReadStream('', { fd: file, highWaterMark: 2 ** 20 })
  }

  async space(): Promise<StoreSpace> {
    const { bsize, blocks, bavail } = await statfs(this.folder)
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
  }

  async list(): Promise<StoredVolume[]> {
    const found = await Promise.all((await readdir(this.folder)).map((name) => this.#stored(name)))
    return found.flatMap((each) => each ?? [])
  }

  /** What a dead process left half made. */
  async dropParts(): Promise<void> {
    const parts = (await readdir(this.folder)).filter((name) => partName.test(name))
    await Promise.all(parts.map((name) => rm(join(this.folder, name), { force: true })))
  }

  async #stored(name: string): Promise<StoredVolume | undefined> {
    const [, volumeId] = volumeName.exec(name) ?? []
    const [, snapshotId, ofVolume] = snapshotName.exec(name) ?? []
    const facts = (volumeId ?? snapshotId) === undefined ? undefined : await statOf(join(this.folder, name))
    if (!facts) return undefined
    const size = { sizeBytes: facts.size, usedBytes: facts.blocks * 512 }
    return volumeId === undefined
      ? { id: snapshotId!, kind: 'snapshot', volumeId: ofVolume!, ...size }
      : { id: volumeId, kind: 'volume', ...size }
  }
}

/** Never smaller than what was filled in. */
async function settle(part: string, sizeBytes: number | undefined): Promise<void> {
  await using file = await open(part, 'r+')
  const { size } = await file.stat()
  if (sizeBytes !== undefined && size > sizeBytes)
    throw tooLarge(`${size} bytes do not fit into a volume of ${sizeBytes}`, { asked: size, limit: sizeBytes })
  if (sizeBytes !== undefined) await file.truncate(sizeBytes)
  await file.sync()
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder)
  await handle.sync()
}

async function statOf(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
