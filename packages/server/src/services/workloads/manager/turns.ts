/** Two small queues: one at a time per key, and so many at a time per host. */

/** Work of one key runs in the order it came, never at once. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve()
    const mine = before.then(work, work)
    const settled = mine.then(
      () => undefined,
      () => undefined,
    )
    this.#last.set(key, settled)
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key)
    })
    return mine
  }

  isBusy(key: string): boolean {
    return this.#last.has(key)
  }
}

/** At most `limit` works of one key at a time; the others wait in line. */
export class Slots {
  readonly #limit: number
  readonly #taken = new Map<string, number>()
  readonly #waiting = new Map<string, (() => void)[]>()
  constructor(limit: number) {
    this.#limit = limit
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    await this.#take(key)
    try {
      return await work()
    } finally {
      this.#leave(key)
    }
  }

  #take(key: string): Promise<void> {
    const taken = this.#taken.get(key) ?? 0
    if (taken < this.#limit) {
      this.#taken.set(key, taken + 1)
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const line = this.#waiting.get(key) ?? []
      this.#waiting.set(key, line)
      line.push(resolve)
    })
  }

  /** The slot passes to the next in line, if there is one. */
  #leave(key: string): void {
    const next = this.#waiting.get(key)?.shift()
    if (next) next()
    else this.#taken.set(key, this.#taken.get(key)! - 1)
  }
}
