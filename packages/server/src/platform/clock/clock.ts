/** The clock every other module borrows, so that tests own time. */

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after `ms` milliseconds, or at once with an abort. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => { clearTimeout(timer); signal?.removeEventListener('abort', done); resolve() }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  }),
}

/** A clock that stands still until it is told: `advance(ms)` moves it and wakes the sleepers that are due. */
export class ManualClock implements Clock {
  #now: number
  #sleepers: { at: number; wake: () => void }[] = []
  constructor(startMs = 1_700_000_000_000) { this.#now = startMs }
  now(): number { return this.#now }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#sleepers.push({ at: this.#now + ms, wake: resolve })
      signal?.addEventListener('abort', () => resolve())
    })
  }
  advance(ms: number): void {
    this.#now += ms
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= this.#now)
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > this.#now)
    for (const sleeper of due) sleeper.wake()
  }
}

/** `2026-11-22T10:00:00Z`: the form of Nova, Neutron and Glance. */
export const isoSeconds = (ms: number): string => `${secondOf(ms)}Z`
/** `2026-11-22T10:00:00.000000Z`: the form of Keystone. */
export const isoMicros = (ms: number): string => `${secondOf(ms)}.${threeDigits(ms)}000Z`
/** `2026-11-22T10:00:00.000000`: the naive form of older Nova extensions. */
export const isoNaive = (ms: number): string => `${secondOf(ms)}.${threeDigits(ms)}000`

const secondMs = 1_000
const rememberedSeconds = 4_096
const seconds = new Map<number, string>()

/** Lists show the same few moments again and again, and a `Date` costs as much as the rest of a row's view. */
function secondOf(ms: number): string {
  const second = Math.floor(ms / secondMs)
  const known = seconds.get(second)
  if (known !== undefined) return known
  const text = new Date(ms).toISOString().slice(0, -5)
  if (seconds.size >= rememberedSeconds) seconds.clear()
  seconds.set(second, text)
  return text
}

const threeDigits = (ms: number): string => {
  const rest = Math.floor(ms) % secondMs
  return String(rest < 0 ? rest + secondMs : rest).padStart(3, '0')
}
