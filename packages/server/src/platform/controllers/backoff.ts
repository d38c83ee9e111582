/** Remembers which keys failed and when each may be tried again: 1 s, 2 s, 4 s … 5 min. */

export const firstPauseMs = 1_000
export const lastPauseMs = 300_000

interface Failure { failures: number; until: number }

export class Backoff {
  readonly #failures = new Map<string, Failure>()

  /** Number of keys that wait at `now`. */
  waiting(now: number): number {
    return [...this.#failures.values()].filter(({ until }) => until > now).length
  }

  blocks(key: string, now: number): boolean {
    const failure = this.#failures.get(key)
    return failure !== undefined && failure.until > now
  }

  fail(key: string, now: number): void {
    const failures = (this.#failures.get(key)?.failures ?? 0) + 1
    this.#failures.set(key, { failures, until: now + Math.min(firstPauseMs * 2 ** (failures - 1), lastPauseMs) })
  }

  succeed(key: string): void { this.#failures.delete(key) }

  /** Forgets the keys that failed long ago and were not planned since: their rows are gone. */
  prune(now: number): void {
    for (const [key, { until }] of this.#failures) {
      if (until + lastPauseMs < now) this.#failures.delete(key)
    }
  }

  /** When the next key may be tried; undefined when none waits. */
  nextAt(now: number): number | undefined {
    const times = [...this.#failures.values()].map(({ until }) => until).filter((until) => until > now)
    return times.length === 0 ? undefined : Math.min(...times)
  }
}
