/** For tests of volumes on this machine: a folder of their own, and processes that see mounts as a container does. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#platform/clock/clock.ts'
import { uuid } from '#platform/ids/ids.ts'
import { silentLog } from '#platform/log/log.ts'
import { volumesMountPoint } from '#services/cinder/ports.ts'
import { HostVolumes } from './host-volumes.ts'
import { loopFree, loopsOf } from './loops.ts'
import { isMounted, mountsOf } from './mounts.ts'
import { run } from './tools.ts'

const missing = () => {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/dev/loop-control')) return 'needs loop devices'
  return existsSync('/sbin/mkfs.ext4') || existsSync('/usr/sbin/mkfs.ext4') ? false : 'needs e2fsprogs'
}
/** Why these tests cannot run here; false: they can. */
export const volumesAreMissing = missing()

export const mebibyte = 2 ** 20

/** A process with a mount namespace and a root of its own, made as an engine makes a container. */
export interface Boxed {
  pid: number
  [Symbol.asyncDispose](): Promise<void>
}

/** Removes all that it made, also when a test fails half-way. */
export class VolumesLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'quaystone-volumes-'))
  readonly store = this.process()

  /** Another process of the same host: it knows what is on disk and in the kernel. */
  process(): HostVolumes {
    return new HostVolumes({ folder: join(this.folder, 'store'), clock: systemClock, log: silentLog })
  }

  async volume(sizeBytes = 16 * mebibyte): Promise<string> {
    const id = uuid()
    await this.store.create({ id, sizeBytes }, { kind: 'blank' })
    return id
  }

  devices(): string[] {
    return loopsOf()
      .filter(({ file }) => file.startsWith(this.folder))
      .map(({ device }) => device)
  }

  async box(workloadId: string): Promise<Boxed> {
    const slot = (await this.store.slot(workloadId))!
    const root = mkdtempSync(join(this.folder, 'box-'))
    mkdirSync(join(root, volumesMountPoint), { recursive: true })
    const script =
      'mount --rbind "$1" "$2/mnt/volumes" && cp /bin/busybox "$2/" && exec chroot "$2" /busybox sleep 600'
    const child = spawn('unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', script, 'box', slot, root], {
      stdio: 'ignore',
    })
    while (!isInside(child)) await systemClock.sleep(20)
    return { pid: child.pid!, [Symbol.asyncDispose]: () => ended(child) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const inner = mountsOf().filter(({ point }) => point.startsWith(this.folder))
    for (const { point } of inner.toReversed()) if (isMounted(point)) await run('umount', '--lazy', point)
    for (const loop of loopsOf().filter(({ file }) => file.startsWith(this.folder))) await loopFree(loop, systemClock)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const isInside = (child: ChildProcess): boolean => {
  if (child.exitCode !== null) throw new Error(`The box ended with ${child.exitCode}`)
  return mountsOf(child.pid!).some(({ point }) => point === volumesMountPoint)
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
