/** Remembers when this process last changed what, so that a look that was taken before is known to be stale. */

export class Changes {
  #clock = 0
  readonly #at = new Map<string, number>()

  /** A moment in the order of changes. */
  now(): number {
    return this.#clock
  }

  /** Runs work that changes the thing: whoever looked before its end has to look again. */
  async around<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      this.#at.set(name, ++this.#clock)
    }
  }

  since(name: string, moment: number): boolean {
    return (this.#at.get(name) ?? 0) > moment
  }

  /** It is gone for good. */
  forget(name: string): void {
    this.#at.delete(name)
  }
}
