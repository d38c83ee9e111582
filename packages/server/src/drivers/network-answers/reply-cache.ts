/** Replies of other resolvers, kept for as long as they say, but never long: a small memory for many containers. */
import type { Clock } from '#platform/clock/clock.ts'
import { rcodeOf, rcodes, ttlOffsets } from './dns-message.ts'

interface Kept {
  reply: Buffer
  offsets: number[]
  atMs: number
  untilMs: number
}

const entriesMax = 2_000
const ttlSecondsMax = 300
/** That a name does not exist is believed for a short while only: somebody may be about to make it. */
const absentSeconds = 5

export class ReplyCache {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The reply with its TTLs as old as they are by now. The id is the first asker's. */
  find(key: string): Buffer | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    const now = this.#clock.now()
    if (now >= kept.untilMs) {
      this.#kept.delete(key)
      return undefined
    }
    const reply = Buffer.from(kept.reply)
    const ageSeconds = Math.floor((now - kept.atMs) / 1000)
    for (const at of kept.offsets) reply.writeUInt32BE(Math.max(0, reply.readUInt32BE(at) - ageSeconds), at)
    return reply
  }

  keep(key: string, reply: Buffer): void {
    const offsets = ttlOffsets(reply)
    const seconds = offsets && lifeOf(reply, offsets)
    if (!offsets || !seconds) return
    if (this.#kept.size >= entriesMax) this.#forgetOldest()
    const atMs = this.#clock.now()
    this.#kept.set(key, { reply: Buffer.from(reply), offsets, atMs, untilMs: atMs + seconds * 1000 })
  }

  #forgetOldest(): void {
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined) this.#kept.delete(oldest)
  }
}

function lifeOf(reply: Buffer, offsets: number[]): number {
  const rcode = rcodeOf(reply)
  if (rcode !== rcodes.ok && rcode !== rcodes.noName) return 0
  const least = Math.min(ttlSecondsMax, ...offsets.map((at) => reply.readUInt32BE(at)))
  return rcode === rcodes.noName || offsets.length === 0 ? Math.min(absentSeconds, least) : least
}
