/** Who owns which mark on this machine: a note for each cloud that ever ran here, kept beside the clouds' own data. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '#platform/log/log.ts'
import { namesOf } from '#drivers/linux-net/names.ts'

export interface KnownCloud {
  cloudId: string
  /** Of an agent that shares the machine with others. */
  hostId?: string
  dataDir: string
  /** The process that ran it last. */
  pid: number
}

/** `dead`: its data directory is gone, or another cloud's, and nobody runs it. Nothing will ever use its things. */
export type Life = 'running' | 'stopped' | 'dead'

export const notesDir = '/var/lib/quaystone/clouds'

/** The part of a mark that tells owners apart. */
export const tagOf = ({ cloudId, hostId }: Pick<KnownCloud, 'cloudId' | 'hostId'>): string =>
  namesOf({ cloud: cloudId, ...(hostId ? { host: hostId } : {}) }).tag

/** Written at every start, atomically. */
export function noteCloud(cloud: KnownCloud, dir = notesDir): void {
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  const path = join(dir, `${tagOf(cloud)}.json`)
  const fresh = `${path}.${process.pid}.new`
  writeFileSync(fresh, JSON.stringify(cloud))
  renameSync(fresh, path)
}

/** Without the note a cloud's things have no known owner: worse to clean up after, and no reason not to start. */
export function noteOwner(cloud: KnownCloud, log: Log): void {
  try {
    noteCloud(cloud)
  } catch (error) {
    log.warn({ err: error }, 'This machine could not be told whose things these are')
  }
}

/** By tag. A note that cannot be read says nothing: its things then have no known owner. */
export function knownClouds(dir = notesDir): Map<string, KnownCloud> {
  const notes = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.json')) : []
  return new Map(
    notes.flatMap((name): [string, KnownCloud][] => {
      const cloud = readNote(join(dir, name))
      return cloud ? [[name.slice(0, -'.json'.length), cloud]] : []
    }),
  )
}

export const forgetCloud = (tag: string, dir = notesDir): void => rmSync(join(dir, `${tag}.json`), { force: true })

export function lifeOf(cloud: KnownCloud): Life {
  if (isRunning(cloud.pid)) return 'running'
  return existsSync(cloud.dataDir) && isItsOwn(cloud) ? 'stopped' : 'dead'
}

/**
 * A directory without an identity is an agent's: it is what the note says. One that was removed may have nothing but
 * the mount point of its volumes left, which cannot be removed while it is one.
 */
function isItsOwn({ cloudId, dataDir }: KnownCloud): boolean {
  const path = join(dataDir, 'identity.json')
  if (existsSync(path)) return readJson(path)?.cloudId === cloudId
  return readdirSync(dataDir).some((name) => name !== 'volumes')
}

function readNote(path: string): KnownCloud | undefined {
  const note = readJson(path)
  return typeof note?.cloudId === 'string' && typeof note.dataDir === 'string' ? (note as KnownCloud) : undefined
}

function readJson(path: string): Partial<KnownCloud> | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Partial<KnownCloud>
  } catch {
    return undefined // damaged or gone while we looked: either way it says nothing
  }
}

function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('main.ts')
  } catch {
    return false // no such process
  }
}
