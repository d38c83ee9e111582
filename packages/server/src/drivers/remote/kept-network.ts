/** A host's network stack that remembers what was wanted, and puts it back without being told again. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type { HostNetwork } from '#services/neutron/ports.ts'
import { KeptState, type KeptPort, type Plug } from './kept-state.ts'

export interface KeptNetworkOptions {
  network: HostNetwork
  /** Where the wanted state is kept. */
  path: string
  clock: Clock
  log: Log
}

export interface KeptNetwork extends HostNetwork {
  /** Brings the host in line with what was last wanted; nothing, if nothing ever was. */
  heal(): Promise<void>
  /** Heals whenever somebody meddles, until the signal aborts. */
  guard(signal: AbortSignal): Promise<void>
  /** The plugs of one workload, as last wanted. */
  plugsOf(workloadId: string): Plug[]
  /** Forgets the sandboxes of containers that do not run any more. */
  placeOnly(pids: ReadonlyMap<string, number>): void
}

/** A host that could not be made whole is tried again after this long. */
const againMs = 3_000

export function createKeptNetwork({ network, path, clock, log }: KeptNetworkOptions): KeptNetwork {
  const kept = new KeptState(path)
  const heal = async (): Promise<boolean> => {
    if (kept.wanted === undefined) return true
    try {
      const { problems, commands } = await network.sync(kept.wanted)
      if (commands > 0) log.info({ commands, problems: problems.length }, 'What was last wanted was put back')
      return problems.length === 0
    } catch (error) {
      log.warn({ err: error }, 'What was last wanted could not be put back now')
      return false
    }
  }
  return {
    plug: async (on, port, securityGroups) => {
      kept.plug({ network: on, port, securityGroups })
      await network.plug(on, port, securityGroups)
    },
    unplug: async (portId, networkId) => {
      kept.unplug(portId)
      await network.unplug(portId, networkId)
    },
    sync: async (wanted) => {
      kept.replace(wanted)
      return await network.sync(wanted)
    },
    leaks: (wanted) => network.leaks(wanted),
    namespaceOf: (networkId) => network.namespaceOf(networkId),
    watch: (listener, signal) => network.watch(listener, signal),
    heal: async () => void (await heal()),
    guard: (signal) => guard({ network, heal, clock, signal }),
    plugsOf: (workloadId) => plugsOf(kept, workloadId),
    placeOnly: (pids) => kept.placeOnly(pids),
  }
}

interface Guarded {
  network: HostNetwork
  heal: () => Promise<boolean>
  clock: Clock
  signal: AbortSignal
}

/** One at a time; what happens meanwhile is looked at afterwards. */
async function guard({ network, heal, clock, signal }: Guarded): Promise<void> {
  let isHealing = false
  let again = false
  const ring = async (): Promise<void> => {
    again = true
    if (isHealing) return
    isHealing = true
    while (again && !signal.aborted) {
      again = false
      if (await heal()) continue
      await clock.sleep(againMs, signal)
      again = true
    }
    isHealing = false
  }
  await network.watch(() => void ring(), signal)
}

/** Remote groups are among the state's groups, and a plug that names too many is still right. */
function plugsOf(kept: KeptState, workloadId: string): Plug[] {
  const { ports, networks, securityGroups } = kept.wanted ?? { ports: [], networks: [], securityGroups: [] }
  return ports.flatMap(({ lostBy, ...port }: KeptPort) => {
    const network = networks.find(({ id }) => id === port.networkId)
    const isIts = (port.sandbox?.workloadId ?? lostBy) === workloadId
    return network && isIts ? [{ network, port, securityGroups }] : []
  })
}
