/** What the operator sees and does: hosts with their state, and tokens. */
import type { Clock } from '#platform/clock/clock.ts'
import { isoSeconds } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { conflict, notFound } from '#platform/errors/errors.ts'
import { secret, uuid } from '#platform/ids/ids.ts'
import type { HostDirectory } from '#services/deps.ts'
import { memberDelete, memberFetch, membersList } from '../store/members.ts'
import type { HostTokenRow } from '../store/tables.ts'
import { tokenInsert, tokenRevoke, tokensList } from '../store/tokens.ts'
import { hashOf, stands } from './admission.ts'

export interface TokenDraft {
  hostName?: string
  hours?: number
}

export interface RosterParts {
  db: Database
  clock: Clock
  hosts: HostDirectory
  /** Makes the text that an agent is given of a secret. */
  tokenText: (secret: string) => string
}

const hourMs = 3_600_000
const timeOf = (ms: number | null): string | null => (ms === null ? null : isoSeconds(ms))

export class Roster {
  readonly #parts: RosterParts
  constructor(parts: RosterParts) {
    this.#parts = parts
  }

  /** Hosts that joined by a token; the machine of an `up` is not among them. */
  async hosts(): Promise<object[]> {
    const alive = new Set(this.#parts.hosts.list().map(({ name }) => name))
    return (await membersList(this.#parts.db)).map((row) => ({
      name: row.name,
      address: row.address,
      version: row.version,
      state: alive.has(row.name) ? 'up' : 'down',
      token_id: row.token_id,
      joined_at: timeOf(row.joined_at),
      seen_at: timeOf(row.seen_at),
    }))
  }

  /** Lets another machine take the name. */
  async forget(name: string): Promise<void> {
    const { db, hosts } = this.#parts
    if ((await memberFetch(db, name)) === undefined) throw notFound(`Host ${name} could not be found.`)
    if (hosts.find(name)) throw conflict(`Host ${name} is here: end its agent first.`)
    await db.transaction((tx) => memberDelete(tx, name))
  }

  async tokens(): Promise<object[]> {
    return (await tokensList(this.#parts.db)).map((row) => this.#view(row))
  }

  /** `token` is shown this once: the cloud keeps no more than its hash. */
  async tokenCreate({ hostName, hours }: TokenDraft): Promise<object> {
    const { db, clock, tokenText } = this.#parts
    const now = clock.now()
    const word = secret(32)
    const row: HostTokenRow = {
      id: uuid(),
      hash: hashOf(word),
      host_name: hostName ?? null,
      created_at: now,
      expires_at: hours === undefined ? null : now + hours * hourMs,
      revoked_at: null,
    }
    await db.transaction((tx) => tokenInsert(tx, row))
    return { ...this.#view(row), token: tokenText(word) }
  }

  /** What it let in is shut out within seconds. */
  async tokenRevoke(id: string): Promise<void> {
    const { db, clock } = this.#parts
    const isRevoked = await db.transaction((tx) => tokenRevoke(tx, id, clock.now()))
    if (!isRevoked) throw notFound(`Token ${id} could not be found among those that stand.`)
  }

  #view(row: HostTokenRow): object {
    return {
      id: row.id,
      host: row.host_name,
      stands: stands(row, this.#parts.clock.now()),
      created_at: timeOf(row.created_at),
      expires_at: timeOf(row.expires_at),
    }
  }
}
