/** What every manager of Keystone stands on: the database, the clock, the settings, and how news of changes travel. */
import type { Bus, Subscription } from '#platform/bus/bus.ts'
import type { OutboxEvent } from '#platform/bus/outbox-relay.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database, Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { revocations } from '../store/entity-store.ts'
import type { Places } from './places.ts'
import type { Settings } from './settings.ts'
import type { Change, Mark, TokenMemory } from './token-memory.ts'

export const changedTopic = 'keystone.changed'
export const revokedTopic = 'keystone.revoked'

/** Marks outlive every token they may concern, also one that `allow_expired` still shows. */
const marginMs = 60_000

/** Tells every process what to look at anew: this one at the commit, the others by the bus. */
export class News {
  readonly #memory: TokenMemory
  readonly #settings: Settings
  readonly #clock: Clock

  constructor(parts: { memory: TokenMemory; settings: Settings; clock: Clock }) {
    this.#memory = parts.memory
    this.#settings = parts.settings
    this.#clock = parts.clock
  }

  changed(tx: Tx, change: Change): void {
    tx.emit(changedTopic, change)
    tx.afterCommit(() => this.#memory.apply(change))
  }

  /** For other services: something they may hold rows for is gone. */
  gone(tx: Tx, kind: 'project' | 'user' | 'domain', id: string): void {
    tx.emit(`keystone.${kind}.deleted`, { id })
  }

  /** Refuses every token of the mark that was issued until now. */
  async revoke(tx: Tx, mark: string): Promise<void> {
    const now = this.#clock.now()
    const { tokenLifetimeMs, expiredWindowMs } = this.#settings
    const expiresAt = now + tokenLifetimeMs + expiredWindowMs + marginMs
    await revocations.insert(tx, { id: hexId(), mark, issued_before: now, revoked_at: now, expires_at: expiresAt })
    const news: Mark = { mark, issuedBefore: now, expiresAt }
    tx.emit(revokedTopic, news)
    tx.afterCommit(() => this.#memory.addMark(news))
  }

  /** Listens to the other processes. */
  listen(bus: Bus): Subscription[] {
    return [
      bus.subscribe(changedTopic, (event) => this.#memory.apply((event as OutboxEvent).payload as Change)),
      bus.subscribe(revokedTopic, (event) => this.#memory.addMark((event as OutboxEvent).payload as Mark)),
    ]
  }
}

export interface Ground {
  db: Database
  clock: Clock
  settings: Settings
  news: News
  memory: TokenMemory
  /** Projects and domains by id, and by domain and name, as of the last change. For reads outside transactions. */
  places: Places
}
