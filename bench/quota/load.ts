/** The load of QB1: 55 asks to 45 releases on a full tree, the same for the same seed whoever keeps the books. */
import type { Books } from './books.ts'
import { randomOf } from './forest.ts'
import { stopwatch } from './own-time.ts'

const releasing = 0.45

export class Load {
  readonly #books: Books
  /** The leaves that ask. */
  readonly #active: readonly number[]
  readonly #random = randomOf(7)
  /** What is counted now, in two columns: no object of the load's own is collected while a rate is measured. */
  readonly #live: { asks: number[]; what: number[] } = { asks: [], what: [] }
  #asked = 0

  constructor(books: Books, active: readonly number[]) {
    this.#books = books
    this.#active = active
    this.#fill()
    for (let warm = 0; warm < 200_000; warm++) this.step()
  }

  /** Each asks in turn until hardly anybody gets anything: then one step in ten is refused, whatever the tree. */
  #fill(): void {
    let granted: number
    do {
      granted = 0
      for (const leaf of this.#active) if (this.#ask(leaf)) granted++
    } while (granted > this.#active.length / 20)
  }

  /** False when it was refused. */
  step(): boolean {
    if (this.#random() < releasing && this.#live.asks.length > 0) return this.#release()
    return this.#ask(this.#active[this.#below(this.#active.length)]!)
  }

  #ask(leaf: number): boolean {
    const amount = 1 + this.#below(4),
      ask = this.#asked++
    if (!this.#books.take(leaf, amount, ask)) return false
    this.#live.asks.push(ask)
    this.#live.what.push(leaf * 8 + amount)
    return true
  }

  #release(): true {
    const { asks, what } = this.#live,
      at = this.#below(asks.length),
      last = asks.length - 1,
      ask = asks[at]!,
      taken = what[at]!
    asks[at] = asks[last]!
    what[at] = what[last]!
    asks.pop()
    what.pop()
    this.#books.giveBack(taken >> 3, taken & 7, ask)
    return true
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  hash(): string {
    return this.#books.hash()
  }
}

/** Decisions a second: of the process's own time, and by the clock. */
export interface Rate {
  own: number
  clock: number
  /** Part of all. */
  refused: number
}

const rateOf = (load: Load, total: number): Rate => {
  const started = performance.now(),
    seconds = stopwatch()
  let refused = 0
  for (let step = 0; step < total; step++) if (!load.step()) refused++
  const own = total / seconds()
  return { own, clock: (1000 * total) / (performance.now() - started), refused: refused / total }
}

/** Several rounds of each, in turns, so that whatever else the machine does meets all of them. */
export const ratesInTurn = (loads: readonly Load[], rounds: number, total: number): Rate[][] => {
  const rates: Rate[][] = loads.map(() => [])
  for (let round = 0; round < rounds; round++)
    for (const [index, load] of loads.entries()) rates[index]!.push(rateOf(load, total))
  return rates
}

/** Each step timed by itself, which costs some itself: p50, p99 and p99.9 in µs. */
export const latenciesOf = (load: Load, total: number): [number, number, number] => {
  const took = new Float64Array(total)
  for (let step = 0; step < total; step++) {
    const before = performance.now()
    load.step()
    took[step] = (performance.now() - before) * 1000
  }
  took.sort()
  const at = (part: number) => took[Math.floor(total * part)]!
  return [at(0.5), at(0.99), at(0.999)]
}
