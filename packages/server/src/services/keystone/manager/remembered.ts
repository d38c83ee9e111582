/** Things looked up lately, good until anything changes: `TokenMemory` counts changes, of other processes too. */
import type { TokenMemory } from './token-memory.ts'

const entriesMax = 10_000

export class Remembered<T> {
  readonly #memory: TokenMemory
  readonly #things = new Map<string, T>()
  #generation = -1

  constructor(memory: TokenMemory) { this.#memory = memory }

  /** What `load` finds is kept; what it does not find may be made any moment and is asked for again. */
  async get(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
    const { generation } = this.#memory
    if (this.#generation !== generation || this.#things.size >= entriesMax) this.#renew(generation)
    const known = this.#things.get(key)
    if (known !== undefined) return known
    const found = await load()
    // A change while we looked: what was found may be from before it.
    if (found !== undefined && generation === this.#memory.generation) this.#things.set(key, found)
    return found
  }

  #renew(generation: number): void {
    this.#things.clear()
    this.#generation = generation
  }
}
