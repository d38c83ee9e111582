/** What hosts hold that bears the cloud's mark and that no row wants: found, and taken away. */
import type { Host } from '#services/deps.ts'
import type { HostLeak } from '../ports.ts'
import { hostState } from './host-state.ts'
import type { NeutronParts } from './parts.ts'

export interface HostLeaks {
  leaks: (HostLeak & { host: string })[]
  /** Hosts that did not answer: nothing is known about them. */
  silent: string[]
}

export async function hostLeaks(parts: NeutronParts): Promise<HostLeaks> {
  const found = await Promise.all(
    parts.hosts.list().map(async (host) => ({ host, leaks: await leaksOf(parts, host) })),
  )
  return {
    leaks: found.flatMap(({ host, leaks }) => (leaks ?? []).map((leak) => ({ ...leak, host: host.name }))),
    silent: found.filter(({ leaks }) => leaks === undefined).map(({ host }) => host.name),
  }
}

/** Brings every host in line with its rows now. Rejects when one of them does not answer. */
export async function hostLeaksReap(parts: NeutronParts): Promise<void> {
  await Promise.all(
    parts.hosts.list().map(async ({ name, network }) => {
      await network.sync(await hostState(parts, name))
    }),
  )
}

/** Twice, since rows and hosts move on: what is plugged while we look is no leak. */
async function leaksOf(parts: NeutronParts, host: Host): Promise<HostLeak[] | undefined> {
  try {
    const look = async (): Promise<HostLeak[]> => host.network.leaks(await hostState(parts, host.name))
    const first = await look()
    if (first.length === 0) return []
    const again = new Set((await look()).map(keyOf))
    return first.filter((leak) => again.has(keyOf(leak)))
  } catch (error) {
    parts.log.warn({ err: error, host: host.name }, 'The host was not looked at for leaks')
    return undefined
  }
}

const keyOf = ({ kind, name }: HostLeak): string => `${kind} ${name}`
