/** The children of one node as a heap of who is to pay first; right while they pay, as standings only improve. */

export class WorstFirst<Standing> {
  readonly #heap: Standing[] = []
  readonly #before: (a: Standing, b: Standing) => boolean

  /** `before`: `a` pays before `b`. */
  constructor(standings: readonly Standing[], before: (a: Standing, b: Standing) => boolean) {
    this.#before = before
    for (const standing of standings) this.push(standing)
  }

  push(standing: Standing): void {
    const heap = this.#heap
    let at = heap.push(standing) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(standing, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = standing
  }

  pop(): Standing | undefined {
    const heap = this.#heap,
      top = heap[0],
      last = heap.pop()
    if (top === undefined || heap.length === 0) return top
    this.#sink(last!)
    return top
  }

  #sink(standing: Standing): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++
      if (!this.#before(heap[child]!, standing)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = standing
  }
}
