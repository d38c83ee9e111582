/** The network stack of another host: every call goes to that host's agent. */
import type { HostNetwork, HostNetworkReport, HostLeak } from '#services/neutron/ports.ts'
import type { Ask } from './remote-runtime.ts'

/** Stands for the network's id in the path that an agent gives for the namespaces of its networks. */
export const idInPath = '00000000-0000-0000-0000-000000000000'

/** @param namespacePath of any network on that host, with `idInPath` for its id. */
export function createRemoteNetwork(ask: Ask, namespacePath: () => string): HostNetwork {
  return {
    plug: async (...args) => void (await ask('network.plug', args)),
    unplug: async (...args) => void (await ask('network.unplug', args)),
    sync: (wanted) => ask('network.sync', [wanted]) as Promise<HostNetworkReport>,
    leaks: (wanted) => ask('network.leaks', [wanted]) as Promise<HostLeak[]>,
    watch: async (...args) => void (await ask('network.watch', args)),
    namespaceOf: (networkId) => namespacePath().replace(idInPath, networkId),
  }
}
