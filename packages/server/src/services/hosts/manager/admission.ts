/** Who may join: a token that stands, and a name that is no other machine's. */
import { createHash } from 'node:crypto'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { conflict, unauthorized } from '#platform/errors/errors.ts'
import type { HostsFacade, Member, Newcomer } from '../facade.ts'
import { memberFetch, memberSeen, membersList, memberWrite } from '../store/members.ts'
import type { HostMemberRow, HostTokenRow } from '../store/tables.ts'
import { tokenByHash, tokensFetch } from '../store/tokens.ts'

const seenEveryMs = 5_000

export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

export const stands = ({ revoked_at, expires_at }: HostTokenRow, now: number): boolean =>
  revoked_at === null && (expires_at === null || expires_at > now)

const toMember = ({ name, address, version, token_id, joined_at, seen_at }: HostMemberRow): Member => ({
  name,
  address,
  version,
  tokenId: token_id,
  joinedAt: joined_at,
  seenAt: seen_at,
})

export class Admission implements HostsFacade {
  readonly #db: Database
  readonly #clock: Clock
  constructor({ db, clock }: { db: Database; clock: Clock }) {
    this.#db = db
    this.#clock = clock
  }

  async admit({ secret, hostKey, name, address, version }: Newcomer): Promise<Member> {
    const now = this.#clock.now()
    return await this.#db.transaction(async (tx) => {
      const token = await tokenByHash(tx, hashOf(secret))
      assertToken(token, name, now)
      const key_hash = hashOf(hostKey)
      const row = { name, key_hash, address, version, token_id: token.id, joined_at: now, seen_at: now }
      await memberWrite(tx, row)
      // Read after the write: of two machines that come at the same time, one has taken the name.
      const written = (await memberFetch(tx, name))!
      if (written.key_hash !== key_hash) throw nameTaken(name)
      return toMember(written)
    })
  }

  async standing(tokenIds: string[]): Promise<Set<string>> {
    if (tokenIds.length === 0) return new Set()
    const rows = await tokensFetch(this.#db, [...new Set(tokenIds)])
    return new Set(rows.filter((row) => stands(row, this.#clock.now())).map(({ id }) => id))
  }

  async members(): Promise<Member[]> {
    return (await membersList(this.#db)).map(toMember)
  }

  async seen(name: string): Promise<void> {
    const now = this.#clock.now()
    await memberSeen(this.#db, name, { now, before: now - seenEveryMs })
  }
}

function assertToken(token: HostTokenRow | undefined, name: string, now: number): asserts token is HostTokenRow {
  const remedy = 'Make one with `quaystone hosts token`.'
  if (token === undefined) throw unauthorized(`The token is not one of this cloud's. ${remedy}`)
  if (!stands(token, now)) throw unauthorized(`The token was revoked or has expired. ${remedy}`)
  if (token.host_name !== null && token.host_name !== name)
    throw unauthorized(`The token is for host ${token.host_name}, not for ${name}. ${remedy}`)
}

const nameTaken = (name: string) =>
  conflict(
    `The name ${name} belongs to another machine. Join with another --name, or, if that machine is gone for good, ` +
      `let its name go with \`quaystone hosts forget ${name}\`.`,
  )
