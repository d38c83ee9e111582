/** The token keys on disk: `0` is staged, the highest number signs, those between still verify; rotation moves up. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

interface NumberedKey { number: number; key: Buffer }

const keyBytes = 32

export class KeyRepository {
  readonly #folder: string
  #keys: NumberedKey[] = []

  constructor(folder: string) { this.#folder = folder }

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
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    let keys = await this.#read()
    // The staged key is made last, so its presence means that setting up was finished.
    if (!keys.some(({ number }) => number > 0)) { await this.#write(1); keys = await this.#read() }
    if (!keys.some(({ number }) => number === 0)) { await this.#write(0); keys = await this.#read() }
    this.#keys = keys
  }

  /** When the primary came to be, in milliseconds since the epoch. */
  async primarySince(): Promise<number> {
    const newest = Math.max(...this.#keys.map(({ number }) => number))
    return (await stat(join(this.#folder, String(newest)))).mtimeMs
  }

  /** The staged key, which every process knows by now, becomes the primary; the oldest beyond `keysMax` go. */
  async rotate(keysMax: number): Promise<void> {
    await this.load()
    const newest = Math.max(...this.#keys.map(({ number }) => number))
    const staged = this.#keys.find(({ number }) => number === 0)!
    await this.#put(newest + 1, staged.key)
    await this.#write(0)
    const verifying = this.#keys.map(({ number }) => number).filter((number) => number > 0).sort((a, b) => b - a)
    for (const number of verifying.slice(Math.max(keysMax - 2, 1))) await rm(
      join(this.#folder, String(number)), { force: true },
    )
    await this.load()
  }

  async #read(): Promise<NumberedKey[]> {
    const names = (await readdir(this.#folder)).filter((name) => /^\d+$/.test(name))
    const keys = await Promise.all(names.map(async (name) => ({
      number: Number(name), key: Buffer.from(await readFile(join(this.#folder, name), 'utf8'), 'base64url'),
    })))
    const broken = keys.find(({ key }) => key.length !== keyBytes)
    if (broken) throw new Error(
      `The token key ${join(this.#folder, String(broken.number))} is damaged: remove the file; tokens made with it end`
    )
    return keys
  }

  #write(number: number): Promise<void> { return this.#put(number, randomBytes(keyBytes)) }

  /** A reader never sees half a key, and neither does a start after a crash. */
  async #put(number: number, key: Buffer): Promise<void> {
    const draft = join(this.#folder, `.${number}.${randomBytes(4).toString('hex')}`)
    await writeFile(draft, key.toString('base64url'), { mode: 0o600, flush: true })
    await rename(draft, join(this.#folder, String(number)))
  }
}
