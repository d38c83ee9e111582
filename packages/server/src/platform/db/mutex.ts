/** A first-come, first-served lock: the one write connection of SQLite is held by one transaction at a time. */

export class Mutex {
  #held = false
  readonly #waiting: (() => void)[] = []

  get isHeld(): boolean { return this.#held }

  /** How many stand in line for it. */
  get waiting(): number { return this.#waiting.length }

  /** Resolves when the caller holds the lock; it must call `release` exactly once. */
  acquire(): Promise<void> {
    if (!this.#held) {
      this.#held = true
      return Promise.resolve()
    }
    return new Promise((resolve) => { this.#waiting.push(resolve) })
  }

  /** Hands the lock to the next in line, who then holds it without a gap. */
  release(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#held = false
    else next()
  }

  async run<T>(work: () => T | Promise<T>): Promise<T> {
    await this.acquire()
    try {
      return await work()
    } finally {
      this.release()
    }
  }
}
