/** What an agent does for the cloud: the methods of its engine and of its network stack, by name. */
import { notFound } from '#platform/errors/errors.ts'
import type { VolumeStore } from '#services/cinder/ports.ts'
import type { HostNetwork } from '#services/neutron/ports.ts'
import type { ContainerRuntime } from '#services/workloads/ports.ts'
import type { Serve } from './link.ts'

export interface HostParts {
  runtime: ContainerRuntime
  network: HostNetwork
  volumes?: VolumeStore
}

type Method = (...args: unknown[]) => Promise<unknown>

/**
 * Starts of one container are done one after another: when the cloud dies in the middle of one and asks again, the
 * end of the first must not stop what the second started.
 */
const inTurn = new Set(['runtime.start', 'runtime.openGate'])

export function hostMethods(parts: HostParts): Serve {
  const turns = new Map<string, Promise<unknown>>()
  const take = (key: string, work: () => Promise<unknown>): Promise<unknown> => {
    const before = turns.get(key) ?? Promise.resolve()
    const mine = before.then(work, work)
    turns.set(key, mine)
    const forget = () => {
      if (turns.get(key) === mine) turns.delete(key)
    }
    mine.then(forget, forget)
    return mine
  }
  return async (name, args) => {
    const work = () => methodOf(parts, name)(...args)
    return inTurn.has(name) ? await take(String(args[0]), work) : await work()
  }
}

function methodOf(parts: HostParts, name: string): Method {
  const [part = '', method = ''] = name.split('.')
  const target = Object.hasOwn(parts, part) ? parts[part as keyof HostParts] : undefined
  const found = (target as Record<string, unknown> | undefined)?.[method]
  if (typeof found !== 'function') throw notFound(`This agent does not know "${name}": run the cloud's version of it`)
  return found.bind(target) as Method
}
