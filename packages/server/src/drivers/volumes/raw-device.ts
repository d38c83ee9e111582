/** A block device in a running container: the node below its /dev, and its control group's leave to use it. */
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { lstat, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { conflict } from '#platform/errors/errors.ts'
import type { Loop } from './loops.ts'
import { run } from './tools.ts'

export interface DevicePlace {
  pid: number
  /** Such as `/dev/vdb`. */
  device: string
}

/** `/dev` of a container is a mount of its own, which nobody in it can move, and no link below it is followed. */
const nodeOf = ({ pid, device }: DevicePlace): string => `/proc/${pid}/root/dev/${basename(device)}`

export async function devicePut(place: DevicePlace, loop: Loop, readOnly: boolean): Promise<void> {
  const node = nodeOf(place)
  const group = controlGroupOf(place.pid)
  const there = await nodeFind(node)
  if (there !== undefined && there !== numberOf(loop))
    throw conflict(`${place.device} is something else in the container: remove it there, or choose another device`, {
      reason: 'device-taken',
    })
  writeFileSync(`${group}/devices.allow`, `b ${loop.major}:${loop.minor} ${readOnly ? 'r' : 'rw'}`)
  if (there === undefined) await run('mknod', '-m', '660', node, 'b', String(loop.major), String(loop.minor))
}

/** Throws `conflict` while a process of the container has it open. A container that is gone has nothing. */
export async function deviceTake(place: DevicePlace, loop: Loop): Promise<void> {
  const node = nodeOf(place)
  if ((await nodeFind(node)) !== numberOf(loop)) return
  const group = controlGroupOf(place.pid)
  const rule = `b ${loop.major}:${loop.minor}`
  writeFileSync(`${group}/devices.deny`, `${rule} rwm`)
  if (isOpen(group, loop)) {
    writeFileSync(`${group}/devices.allow`, `${rule} rw`)
    throw conflict(`A process in the container has ${place.device} open: end it, then detach`, { reason: 'busy' })
  }
  await rm(node, { force: true })
}

const numberOf = ({ major, minor }: Pick<Loop, 'major' | 'minor'>): number =>
  ((major & 0xfff) << 8) | (minor & 0xff) | ((minor & ~0xff) << 12)

/** The device's number; -1 for what is no block device; undefined for nothing. */
async function nodeFind(node: string): Promise<number | undefined> {
  try {
    const facts = await lstat(node)
    return facts.isBlockDevice() ? facts.rdev : -1
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Version 2 of control groups decides by a program that is fixed when the container starts (ADR 0018). */
function controlGroupOf(pid: number): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')
  const path = lines.flatMap((line) => /^\d+:(?:[^:]*,)?devices(?:,[^:]*)?:(.*)$/.exec(line)?.[1] ?? []).at(0)
  if (path !== undefined && path !== '/') return `/sys/fs/cgroup/devices${path}`
  throw conflict(
    'This host cannot put a raw device into a running container: its control groups are of version 2. ' +
      'Let the volume be mounted (no docker:mount=no, and a file system or nothing on it).',
    { reason: 'cgroup-v2' },
  )
}

function isOpen(group: string, loop: Loop): boolean {
  const pids = readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean)
  return pids.some((pid) => descriptorsOf(pid).some((path) => deviceNumber(path) === numberOf(loop)))
}

const descriptorsOf = (pid: string): string[] => {
  const folder = `/proc/${pid}/fd`
  return ifThere(() => readdirSync(folder).map((name) => `${folder}/${name}`)) ?? []
}

const deviceNumber = (path: string): number | undefined =>
  ifThere(() => {
    const facts = statSync(path)
    return facts.isBlockDevice() ? facts.rdev : undefined
  })

/** Processes and their files come and go while we look. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
