/** Volumes' mounts and devices of every cloud on this machine, by the mark in their paths: what dead ones left. */
import type { Clock } from '#platform/clock/clock.ts'
import { loopFree, loopsOf } from './loops.ts'
import { isMounted, mountsOf } from './mounts.ts'
import { run } from './tools.ts'

export interface MarkedVolume {
  /** The owner's part of the mark. */
  tag: string
  kind: 'mount' | 'loop'
  /** The mount point, or the device. */
  name: string
}

const mark = /\/quaystone-([0-9a-f]{8})\//
const tagIn = (path: string): string | undefined => mark.exec(`${path}/`)?.[1]

export function markedVolumes(): MarkedVolume[] {
  const mounts = mountsOf().map(({ point }) => ({ tag: tagIn(point), kind: 'mount' as const, name: point }))
  const loops = loopsOf().map(({ file, device }) => ({ tag: tagIn(file), kind: 'loop' as const, name: device }))
  return [...mounts, ...loops].flatMap(({ tag, ...thing }) => (tag === undefined ? [] : [{ tag, ...thing }]))
}

/** Those mounted last come first. Idempotent: what is gone already is no failure. */
export async function removeVolumes(things: readonly MarkedVolume[], clock: Clock): Promise<void> {
  for (const { name } of things.filter(({ kind }) => kind === 'mount').toReversed())
    if (isMounted(name)) await run('umount', name)
  for (const { tag, name } of things.filter(({ kind }) => kind === 'loop')) {
    const loop = loopsOf().find(({ device, file }) => device === name && tagIn(file) === tag)
    if (loop) await loopFree(loop, clock)
  }
}
