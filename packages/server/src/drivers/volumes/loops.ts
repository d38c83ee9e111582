/** Loop devices over volumes' files. The kernel itself says which file each one has: nothing is remembered here. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Clock } from '#platform/clock/clock.ts'
import { conflict, isRefusal } from '#platform/errors/errors.ts'
import { run } from './tools.ts'

export interface Loop {
  /** Such as `/dev/loop3`. */
  device: string
  file: string
  /** Its file has lost its name. */
  isOrphan: boolean
  major: number
  minor: number
}

const deleted = ' (deleted)'
/** What opens a device for a moment (udev) is gone within these. */
const releaseTries = 40
const releasePauseMs = 50

/** All of the machine that have a file. */
export function loopsOf(root = '/sys/block'): Loop[] {
  return readdirSync(root)
    .filter((name) => name.startsWith('loop'))
    .flatMap((name) => {
      const backing = read(`${root}/${name}/loop/backing_file`)
      const numbers = read(`${root}/${name}/dev`)?.split(':').map(Number)
      if (backing === undefined || numbers === undefined) return []
      const isOrphan = backing.endsWith(deleted)
      const file = isOrphan ? backing.slice(0, -deleted.length) : backing
      return [{ device: `/dev/${name}`, file, isOrphan, major: numbers[0]!, minor: numbers[1]! }]
    })
}

export const loopFind = (file: string): Loop | undefined => loopsOf().find((loop) => loop.file === file)

/** One device for a file, however often it is asked for. */
export async function loopEnsure(file: string): Promise<Loop> {
  const known = loopFind(file)
  if (known) return known
  try {
    await run('losetup', '--find', '--nooverlap', file)
  } catch (error) {
    if (!isRefusal(error)) throw error
    throw conflict(
      `This host has no loop device for the volume (${error.message}); detach others, or load the loop module with ` +
        'a larger max_loop',
      { reason: 'no-loop' },
      error,
    )
  }
  const made = loopFind(file)
  if (!made) throw conflict('The loop device vanished at once: somebody else on this host frees loop devices')
  return made
}

/** The file has grown. */
export const loopGrow = (loop: Loop): Promise<string> => run('losetup', '--set-capacity', loop.device)

/** Throws `conflict` while another mount namespace or an open file still holds the device. */
export async function loopFree({ device, file }: Loop, clock: Clock): Promise<void> {
  const holds = () => loopsOf().some((loop) => loop.device === device && loop.file === file)
  for (let tries = 0; holds() && tries < releaseTries; tries++) {
    if (tries > 0) await clock.sleep(releasePauseMs)
    await run('losetup', '--detach', device).catch((error: unknown) => {
      if (holds()) throw error
    })
  }
  if (holds())
    throw conflict(`Something on the host still uses ${device}: an open file, or a mount in another namespace`, {
      reason: 'busy',
    })
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENXIO') return undefined
    throw error
  }
}
