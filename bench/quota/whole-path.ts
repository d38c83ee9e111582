/** The naive way: one row per project and resource, every row of the path locked, checked and updated, root first. */

interface Row {
  limit: number
  used: number
}

export class WholePathLocks {
  readonly #rows = new Map<string, Row>()
  readonly #locks = new Map<string, Promise<void>>()
  readonly #paths = new Map<string, string[]>()
  readonly #resources: readonly string[]

  constructor(resources: readonly string[]) {
    this.#resources = resources
  }

  add(id: string, parent: string | null, limit: number): void {
    this.#paths.set(id, [...(parent === null ? [] : this.#paths.get(parent)!), id])
    for (const resource of this.#resources) this.#rows.set(`${id} ${resource}`, { limit, used: 0 })
  }

  async take(id: string, amounts: Readonly<Record<string, number>>): Promise<boolean> {
    const keys = this.#paths
      .get(id)!
      .flatMap((project) => Object.keys(amounts).map((resource) => `${project} ${resource}`))
    const unlocks: (() => void)[] = []
    for (const key of keys) unlocks.push(await this.#lock(key))
    const rows = keys.map((key) => ({ row: this.#rows.get(key)!, amount: amounts[key.slice(key.indexOf(' ') + 1)]! }))
    const fits = rows.every(({ row, amount }) => row.used + amount <= row.limit)
    if (fits) for (const { row, amount } of rows) row.used += amount
    for (const unlock of unlocks) unlock()
    return fits
  }

  async #lock(key: string): Promise<() => void> {
    for (let held = this.#locks.get(key); held; held = this.#locks.get(key)) await held
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#locks.set(key, promise)
    return () => {
      this.#locks.delete(key)
      resolve()
    }
  }
}
