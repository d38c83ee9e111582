/** Password hashes: argon2id in the PHC text form, computed off the event loop. */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Settings } from './settings.ts'

type Cost = Settings['argon2']

const derive = promisify(argon2) as (algorithm: string, parameters: object) => Promise<Buffer>
const tagLength = 32

const tagOf = (password: string, nonce: Buffer, cost: Cost): Promise<Buffer> =>
  derive('argon2id', {
    message: Buffer.from(password), nonce, tagLength, memory: cost.memoryKiB, passes: cost.passes,
    parallelism: cost.parallelism,
  })

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')

/** `$argon2id$v=19$m=…,t=…,p=…$salt$tag` */
const phc = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

export class Passwords {
  readonly #cost: Cost
  /** Verified against when there is no user, so that the answer takes as long. */
  #decoy: Promise<string> | undefined

  constructor(cost: Cost) { this.#cost = cost }

  async hash(password: string): Promise<string> {
    const nonce = randomBytes(16)
    const { memoryKiB, passes, parallelism } = this.#cost
    const tag = await tagOf(password, nonce, this.#cost)
    return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${unpadded(nonce)}$${unpadded(tag)}`
  }

  /** Takes as long without a hash as with one. */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    const parts = phc.exec(hash ?? await (this.#decoy ??= this.hash('')))
    if (!parts) throw new Error('A password hash in the database is not in the argon2id form')
    const [, memory, passes, parallelism, salt, tag] = parts
    const cost = { memoryKiB: Number(memory), passes: Number(passes), parallelism: Number(parallelism) }
    const found = await tagOf(password, Buffer.from(salt!, 'base64'), cost)
    return timingSafeEqual(found, Buffer.from(tag!, 'base64')) && hash !== undefined
  }
}
