/** Names of a server's devices. The first one is the root file system's, whatever the container calls it. */
import { conflict, forbidden } from '#platform/errors/errors.ts'

const letters = 'bcdefghijklmnopqrstuvwxyz'

/** `sdc`, `/dev/sdc` and `/dev/xvdc` are one wish: the third device. */
const letterOf = (device: string): string | undefined => /^(?:\/dev\/)?(?:x?[a-z]d)([a-z]+)\d*$/.exec(device)?.[1]

const pathOf = (device: string): string => (device.startsWith('/dev/') ? device : `/dev/${device}`)

/** The name asked for, or the next free one. Throws `conflict` when it is taken, `forbidden` when all are. */
export const deviceFor = (asked: string | undefined, taken: readonly string[]): string => {
  const used = new Set(taken.map(letterOf))
  if (asked !== undefined) {
    if (used.has(letterOf(asked)) || letterOf(asked) === 'a' || taken.includes(pathOf(asked))) throw conflict(
      `The supplied device path (${asked}) is in use.`, { field: 'device' },
    )
    return pathOf(asked)
  }
  const free = [...letters].find((letter) => !used.has(letter))
  if (free === undefined) throw forbidden(
    `The maximum allowed number of disk devices (${letters.length}) to attach to a single instance has been exceeded.`,
  )
  return `/dev/vd${free}`
}
