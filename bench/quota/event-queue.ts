/** What happens when, in order of time and, at one time, of having been planned. */

interface Planned<T> {
  atMs: number
  number: number
  what: T
}

export class EventQueue<T> {
  readonly #heap: Planned<T>[] = []
  #planned = 0

  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs
  }

  plan(atMs: number, what: T): void {
    const heap = this.#heap,
      event = { atMs, number: this.#planned++, what }
    let at = heap.push(event) - 1
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(event, heap[parent]!); parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  /** The first event, if it is due. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    const last = this.#heap.pop()!
    if (this.#heap.length > 0) this.#sink(last)
    return first.what
  }

  #sink(event: Planned<T>): void {
    const heap = this.#heap
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, event)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = event
  }
}

const isBefore = <T>(a: Planned<T>, b: Planned<T>): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number)
