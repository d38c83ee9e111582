/** The token keys, sealed, in the database of all processes: `0` is staged, the highest signs, others still verify. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database, Executor, Tx } from '#platform/db/database.ts'

interface KeyRow { number: number; sealed: string; made_at: number }
interface Tables { identity_token_key: KeyRow }
interface NumberedKey { number: number; key: Buffer; madeAt: number }

interface KeyParts {
  db: Database
  clock: Clock
  seal: { close(text: string): string; open(sealed: string): string }
}

const keyBytes = 32
export const keysRotatedTopic = 'keystone.keys.rotated'

export class KeyRepository {
  readonly #parts: KeyParts
  #keys: NumberedKey[] = []
  #loadedAt = 0

  constructor(parts: KeyParts) { this.#parts = parts }

  /** The key that new tokens are made with. */
  get primary(): Buffer { return this.all[0]! }

  /** Newest first, the staged one last: the order of likelihood. */
  get all(): Buffer[] {
    if (this.#keys.length === 0) throw new Error('The token keys were not loaded')
    const numbered = this.#keys.filter(({ number }) => number > 0).sort((a, b) => b.number - a.number)
    return [...numbered, ...this.#keys.filter(({ number }) => number === 0)].map(({ key }) => key)
  }

  /** Makes the first two keys when there are none; picks up what another process has rotated. */
  async load(): Promise<void> {
    const found = await this.#read(this.#parts.db)
    this.#keys = found.length > 0 ? found : await this.#parts.db.transaction((tx) => this.#begin(tx))
    this.#loadedAt = this.#parts.clock.now()
  }

  /** The same unless it was done less than `ageMaxMs` ago; tells whether it was done. */
  async refresh(ageMaxMs: number): Promise<boolean> {
    if (this.#parts.clock.now() < this.#loadedAt + ageMaxMs) return false
    await this.load()
    return true
  }

  async #begin(tx: Tx): Promise<NumberedKey[]> {
    const found = await this.#read(tx)
    if (found.length > 0) return found
    for (const number of [1, 0]) await this.#write(tx, number, randomBytes(keyBytes))
    return this.#read(tx)
  }

  /** When the primary came to be, in milliseconds since the epoch. */
  primarySince(): number { return newestOf(this.#keys).madeAt }

  /**
   * The staged key, which every process knows by now, becomes the primary; the oldest beyond `keysMax` go. Nothing but
   * a look when another process has rotated since the last one.
   */
  async rotate(keysMax: number): Promise<void> {
    const known = newestOf(this.#keys).number
    await this.#parts.db.transaction(async (tx) => {
      const keys = await this.#begin(tx)
      const newest = newestOf(keys).number
      if (newest !== known) return
      await this.#write(tx, newest + 1, keys.find(({ number }) => number === 0)!.key)
      await table(tx).deleteFrom('identity_token_key').where('number', '=', 0).execute()
      await this.#write(tx, 0, randomBytes(keyBytes))
      await table(tx).deleteFrom('identity_token_key').where('number', '>', 0)
        .where('number', '<=', newest + 1 - Math.max(keysMax - 1, 2)).execute()
      tx.emit(keysRotatedTopic, { number: newest + 1 })
    })
    await this.load()
  }

  async #read(executor: Executor): Promise<NumberedKey[]> {
    const rows = await table(executor).selectFrom('identity_token_key').selectAll().execute()
    return rows.map(({ number, sealed, made_at: madeAt }) => ({ number, key: this.#opened(number, sealed), madeAt }))
  }

  #opened(number: number, sealed: string): Buffer {
    try {
      return Buffer.from(this.#parts.seal.open(sealed), 'base64url')
    } catch (error) {
      throw new Error(
        `Token key ${number} does not open: this process's identity.json is not the one of the cloud that made it, `
        + 'or the row is damaged (delete it; tokens made with it end)', { cause: error },
      )
    }
  }

  async #write(tx: Tx, number: number, key: Buffer): Promise<void> {
    const row = { number, sealed: this.#parts.seal.close(key.toString('base64url')), made_at: this.#parts.clock.now() }
    await table(tx).insertInto('identity_token_key').values(row).execute()
  }
}

const table = (executor: Executor) => executor.as<Tables>()

const newestOf = (keys: readonly NumberedKey[]): NumberedKey =>
  keys.reduce((newest, key) => (key.number > newest.number ? key : newest))
