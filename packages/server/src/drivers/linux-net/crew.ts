/** A few at work on one list: the tools' starts need not wait for each other. */

/** Runs `work` on every item, `atATime` at once. Rejects with the first failure, after which no item is begun. */
export async function crew<T>(items: Iterable<T>, atATime: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]()
  let failed = false
  const worker = async (): Promise<void> => {
    for (let next = left.next(); !next.done && !failed; next = left.next()) {
      await work(next.value).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  await Promise.all(Array.from({ length: atATime }, worker))
}
