/** A directory for each workload that its container is made with: what the host mounts below it appears in there. */
import { mkdirSync } from 'node:fs'
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import { volumesMountPoint } from '#services/cinder/ports.ts'
import { isMounted, mountsOf, mountUnder } from './mounts.ts'
import { run } from './tools.ts'

const deviceName = /^\/dev\/[a-z0-9]{1,32}$/

export class Slots {
  readonly #folder: string
  readonly #log: Log
  #ready: Promise<boolean> | undefined

  constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#log = log
    mkdirSync(folder, { recursive: true, mode: 0o755 })
  }

  /** Undefined where this host cannot pass mounts on to containers; the log then says why. */
  async slot(workloadId: string): Promise<string | undefined> {
    this.#ready ??= this.#share()
    if (!(await this.#ready)) return undefined
    const path = join(this.#folder, workloadId)
    await mkdir(path, { recursive: true, mode: 0o755 })
    return path
  }

  pointOf({ workloadId, device }: { workloadId: string; device: string }): string {
    if (!deviceName.test(device)) throw badRequest(`${device} is no device name: write /dev/vdb`, { field: 'device' })
    return join(this.#folder, workloadId, basename(device))
  }

  /** Where the container sees it. */
  insideOf = (device: string): string => join(volumesMountPoint, basename(device))

  /** A container that was made without its slot, or before the folder was shared, does not see what is mounted. */
  isSeenBy(pid: number, device: string): boolean {
    return mountsOf(pid).some(({ point }) => point === this.insideOf(device))
  }

  list = (): Promise<string[]> => readdir(this.#folder)

  /** Only empty directories go: nothing mounted can be lost. */
  async clear(workloadId: string): Promise<void> {
    const path = join(this.#folder, workloadId)
    for (const name of (await readdir(path).catch(ignoreMissing)) ?? []) await rmdir(join(path, name))
    await rmdir(path).catch(ignoreMissing)
  }

  async unshare(): Promise<void> {
    this.#ready = undefined
    while (isMounted(this.#folder)) await run('umount', this.#folder)
  }

  async #share(): Promise<boolean> {
    if (isShared(this.#folder)) return true
    try {
      if (!isMounted(this.#folder)) await run('mount', '--bind', this.#folder, this.#folder)
      await run('mount', '--make-shared', this.#folder)
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#log.warn({ err: error, folder: this.#folder }, 'Containers of this host get no volumes')
    }
    return isShared(this.#folder)
  }
}

/** As systemd leaves `/`. Then it is left as it is, for containers that the engine starts before us see it too. */
const isShared = (folder: string): boolean =>
  mountUnder(folder)?.propagation.some((word) => word.startsWith('shared:')) ?? false

const ignoreMissing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error
}
