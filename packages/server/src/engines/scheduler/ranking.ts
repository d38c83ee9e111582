/** A heap of hosts, best first; entries may be out of date, which the reader finds out by their version. */
import { isBetter } from './schedule.ts'

export interface Ranked {
  name: string
  score: number
  version: number
}

export class Ranking {
  readonly #heap: Ranked[]
  private constructor(heap: Ranked[]) {
    this.#heap = heap
  }

  static of(entries: Ranked[]): Ranking {
    return new Ranking([...entries].sort((left, right) => (isBetter(left, right) ? -1 : 1)))
  }

  push(entry: Ranked): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBetter(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  /** The best entry that is still true; stale ones above it are dropped for good. */
  best(isCurrent: (entry: Ranked) => boolean): Ranked | undefined {
    while (this.#heap.length > 0) {
      if (isCurrent(this.#heap[0]!)) return this.#heap[0]
      this.#drop()
    }
    return undefined
  }

  #drop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= heap.length) break
      const right = left + 1
      const child = right < heap.length && isBetter(heap[right]!, heap[left]!) ? right : left
      if (!isBetter(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
