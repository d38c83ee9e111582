/** The volumes of another host: every call goes to that host's agent; data streams over the link. */
import type { VolumeStore } from '#services/cinder/ports.ts'
import type { Ask } from './remote-runtime.ts'

const methods = [
  'space',
  'create',
  'createFrom',
  'read',
  'readPacked',
  'extend',
  'remove',
  'snapshotCreate',
  'snapshotRemove',
  'revert',
  'list',
  'slot',
  'plug',
  'unplug',
  'holders',
  'clear',
] as const satisfies readonly (keyof VolumeStore)[]

/** Complete by type: a method that is added to the port and not here does not compile. */
type Forwarded = Record<keyof VolumeStore, (...args: unknown[]) => Promise<unknown>>

export function createRemoteVolumes(ask: Ask): VolumeStore {
  const forward = (method: string) => [method, (...args: unknown[]) => ask(`volumes.${method}`, args)]
  const forwarded: Pick<Forwarded, (typeof methods)[number]> = Object.fromEntries(methods.map(forward))
  return forwarded satisfies Forwarded as unknown as VolumeStore
}
