/** Leases: which process may work on what, until when. A process that dies loses its leases by time alone. */
import { systemClock } from '#platform/clock/clock.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Executor } from '#platform/db/database.ts'
import type { PlatformTables } from '#platform/db/platform-tables.ts'

export interface Leases {
  /** True when `owner` now holds the lease: it was free, expired, or already its own. */
  acquire(resource: string, owner: string, ttlMs: number): Promise<boolean>
  /** True when `owner` still held it. False: it expired and may be another's. */
  renew(resource: string, owner: string, ttlMs: number): Promise<boolean>
  /** Gives it up; does nothing if it is another's. */
  release(resource: string, owner: string): Promise<void>
  /** Who holds it now. */
  holder(resource: string): Promise<string | undefined>
}

export function createLeases({ db, clock = systemClock }: { db: Executor; clock?: Clock }): Leases {
  const table = () => db.as<PlatformTables>()
  return {
    acquire: async (resource, owner, ttlMs) => {
      const now = clock.now()
      const taken = await table().insertInto('lease')
        .values({ resource, owner, expires_at: now + ttlMs, epoch: 1 })
        .onConflict((conflict) => conflict.column('resource')
          .doUpdateSet((row) => ({ owner, expires_at: now + ttlMs, epoch: row('lease.epoch', '+', 1) }))
          .where((row) => row.or([row('lease.expires_at', '<=', now), row('lease.owner', '=', owner)])))
        .returning('owner').executeTakeFirst()
      return taken !== undefined
    },
    renew: async (resource, owner, ttlMs) => {
      const now = clock.now()
      const kept = await table().updateTable('lease').set({ expires_at: now + ttlMs })
        .where('resource', '=', resource).where('owner', '=', owner).where('expires_at', '>', now)
        .returning('owner').executeTakeFirst()
      return kept !== undefined
    },
    release: async (resource, owner) => {
      await table().deleteFrom('lease').where('resource', '=', resource).where('owner', '=', owner).execute()
    },
    holder: async (resource) => {
      const row = await table().selectFrom('lease').select('owner')
        .where('resource', '=', resource).where('expires_at', '>', clock.now()).executeTakeFirst()
      return row?.owner
    },
  }
}
