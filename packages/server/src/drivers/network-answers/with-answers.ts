/** A host's network whose networks answer: names by a resolver, and metadata, in every tenant's own namespace. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type { AskMetadata } from '#services/metadata/ports.ts'
import type { HostNetwork, HostNetworkState } from '#services/neutron/ports.ts'
import { AnswersKeeper } from './answers-keeper.ts'
import { Forwarder } from './forwarder.ts'
import { hostUpstreams } from './host-upstreams.ts'
import { MetadataDoor } from './metadata-door.ts'
import { openSockets } from './namespace-sockets.ts'
import { ask, type Upstream } from './upstream.ts'

export interface AnswersOptions {
  /** Answers a container's request for metadata. */
  metadata: AskMetadata
  clock: Clock
  log: Log
  /** Who is asked what is no name of a network; default: the machine's `/etc/resolv.conf`. */
  upstreams?(): Upstream[]
}

export interface AnsweringHostNetwork extends HostNetwork {
  /** Ids of the networks that are answered now. */
  answered(): string[]
  /** Closes every socket; the networks themselves stay. */
  closeAnswers(): void
}

/**
 * The same host network, and its networks are answered: behind the calls, which take no longer for it. Sockets are
 * opened when a network is first plugged or synced, again after its namespace was made anew, and closed with it.
 */
export function withAnswers(inner: HostNetwork, options: AnswersOptions): AnsweringHostNetwork {
  const { clock, log, upstreams = hostUpstreams(clock) } = options
  const keeper = new AnswersKeeper({
    namespaceOf: (id) => inner.namespaceOf(id),
    openSockets,
    metadata: new MetadataDoor(options.metadata, log),
    resolving: { forwarder: new Forwarder(clock, ask), hostUpstreams: upstreams },
    clock,
    log,
  })
  return {
    plug: async (network, port, securityGroups) => {
      await inner.plug(network, port, securityGroups)
      keeper.learn(network)
    },
    sync: async (wanted: HostNetworkState) => {
      keeper.letGo(new Set(wanted.networks.map(({ id }) => id)))
      const report = await inner.sync(wanted)
      keeper.learnAll(wanted.networks)
      return report
    },
    unplug: (portId, networkId) => inner.unplug(portId, networkId),
    leaks: (wanted) => inner.leaks(wanted),
    watch: (listener, signal) => inner.watch(listener, signal),
    namespaceOf: (id) => inner.namespaceOf(id),
    answered: () => keeper.open,
    closeAnswers: () => keeper.close(),
  }
}
