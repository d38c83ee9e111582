/** Listens to every host's engine, and remembers which workloads to look at; what happened is read from the engine. */
import type { Bus } from '#platform/bus/bus.ts'
import type { Host, HostDirectory } from '#services/deps.ts'
import type { Log } from '#platform/log/log.ts'
import type { EngineEvent } from '../ports.ts'
import type { Turns } from './turns.ts'

export const engineTopics = { event: 'workloads.engine.event', resync: 'workloads.engine.resync' } as const

/** Ends and freezes are always looked at; a start only when it is not our own. */
const telling = new Set(['die', 'oom', 'pause', 'unpause', 'destroy'])

export class EngineWatch {
  readonly #bus: Bus
  readonly #log: Log
  readonly #turns: Turns
  readonly #ended = new AbortController()
  readonly #watched = new Set<string>()
  /** Host → workload → number of the newest event: an event that comes while we look is not forgotten. */
  readonly #marked = new Map<string, Map<string, number>>()
  readonly #unread = new Map<string, number>()
  #events = 0

  constructor(options: { bus: Bus; log: Log; turns: Turns }) {
    this.#bus = options.bus
    this.#log = options.log
    this.#turns = options.turns
  }

  /** Hosts come and go: called before each look. */
  follow(hosts: HostDirectory): void {
    for (const host of hosts.list()) if (!this.#watched.has(host.name)) this.#watch(host)
  }

  /** Hosts whose events may have been missed, so that everything on them must be compared. */
  unread(): Map<string, number> {
    return new Map(this.#unread)
  }
  marked(hostName: string): Map<string, number> {
    return new Map(this.#marked.get(hostName))
  }

  /** Looked at: unless something happened since. */
  read(hostName: string, upTo: number): void {
    if (this.#unread.get(hostName) === upTo) this.#unread.delete(hostName)
  }
  clear(hostName: string, workloadId: string, upTo: number): void {
    const marked = this.#marked.get(hostName)
    if (marked?.get(workloadId) === upTo) marked.delete(workloadId)
  }
  mark(hostName: string, workloadId: string): void {
    const marked = this.#marked.get(hostName) ?? new Map<string, number>()
    this.#marked.set(hostName, marked.set(workloadId, ++this.#events))
  }

  stop(): void {
    this.#ended.abort()
  }

  #watch(host: Host): void {
    this.#watched.add(host.name)
    this.#resync(host.name)
    host.runtime
      .watch((event) => this.#hear(host.name, event), this.#ended.signal)
      .catch((error: unknown) =>
        this.#log.warn({ err: error, host: host.name }, "The engine's events can no longer be heard"),
      )
      .finally(() => this.#watched.delete(host.name))
  }

  #hear(hostName: string, { kind, action, workloadId }: EngineEvent): void {
    if (kind === 'daemon' && action === 'resync') return this.#resync(hostName)
    if (kind !== 'container' || workloadId === undefined) return
    const foreignStart = action === 'start' && !this.#turns.isBusy(workloadId)
    if (!foreignStart && !telling.has(action)) return
    this.mark(hostName, workloadId)
    this.#bus.publish(engineTopics.event, { hostName })
  }

  #resync(hostName: string): void {
    this.#unread.set(hostName, ++this.#events)
    this.#bus.publish(engineTopics.resync, { hostName })
  }
}
