/** The leases of one controller's steps: taken before a step, kept while it runs, given back after it. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type { Leases } from './leases.ts'

export interface StepLeasesOptions {
  leases: Leases
  controller: string
  owner: string
  clock: Clock
  log: Log
}

/** Long enough for a pause of the process, short enough that a dead one's work is soon another's. */
const ttlMs = 30_000
const renewals = 3

export class StepLeases {
  readonly #options: StepLeasesOptions
  constructor(options: StepLeasesOptions) { this.#options = options }

  /** Those of `keys` that are ours now. */
  async acquire(keys: string[]): Promise<Set<string>> {
    const { leases, owner } = this.#options
    const held = new Set<string>()
    for (const key of keys) {
      if (await leases.acquire(this.#resource(key), owner, ttlMs)) held.add(key)
    }
    return held
  }

  async release(keys: string[]): Promise<void> {
    for (const key of keys) await this.#options.leases.release(this.#resource(key), this.#options.owner)
  }

  /** Renews the lease until `end`, which gives it back. */
  keep(key: string): { end(): Promise<void> } {
    const ended = new AbortController()
    const renewing = this.#renew(key, ended.signal)
    return {
      end: async () => {
        ended.abort()
        await renewing
        await this.#quietly(key, () => this.release([key]))
      },
    }
  }

  async #renew(key: string, signal: AbortSignal): Promise<void> {
    const { leases, owner, clock, log } = this.#options
    for (;;) {
      await clock.sleep(ttlMs / renewals, signal)
      if (signal.aborted) return
      await this.#quietly(key, async () => {
        if (!await leases.renew(this.#resource(key), owner, ttlMs)) {
          log.warn({ key }, 'The lease of a running step was lost; another process may do it too')
        }
      })
    }
  }

  /** A database that is away for a moment must not fail a step that succeeded: the lease then ends by itself. */
  async #quietly(key: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#options.log.warn({ err: error, key }, 'A lease could not be written')
    }
  }

  #resource(key: string): string { return `controllers/${this.#options.controller}/${key}` }
}
