/** What is done to one volume is done one after another, in the order in which it was asked for. */

export class Locks {
  readonly #tails = new Map<string, Promise<unknown>>()

  async run<T>(volumeId: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#tails.get(volumeId) ?? Promise.resolve()).then(work)
    const tail = mine.catch(() => undefined)
    this.#tails.set(volumeId, tail)
    try {
      return await mine
    } finally {
      if (this.#tails.get(volumeId) === tail) this.#tails.delete(volumeId)
    }
  }
}
