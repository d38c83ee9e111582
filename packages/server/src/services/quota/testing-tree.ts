/** The tree that many processes hammer, its time, its chance, and the loops that keep it. */
import type { AnyController } from '#platform/controllers/controller.ts'
import { systemClock, type Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { migrate } from '#platform/db/migrate.ts'
import { endTickets } from './controllers/end-tickets.ts'
import { expireReservations } from './controllers/expire-reservations.ts'
import { serveWaiting } from './controllers/serve-waiting.ts'
import { migrations } from './store/migrations.ts'
import { quotaOver } from './testing.ts'

export const root = 'org'
export const leaves = ['a1', 'a2', 'b1', 'b2']
const parents = { [root]: null, a: root, b: root, a1: 'a', a2: 'a', b1: 'b', b2: 'b' }
export const projects = Object.keys(parents)
export const resources = ['cores', 'ram']

/** So many times as fast as time, so that graces, holds and cool-downs end while somebody looks. */
const haste = 200
const hastyClock: Clock = { now: () => systemClock.now() * haste, sleep: systemClock.sleep }
/** A second. */
export const patienceMs = 1_000 * haste

export const hammeredOver = (db: Database) => quotaOver(db, hastyClock, new Map(Object.entries(parents)))
export type Hammered = ReturnType<typeof hammeredOver>

export const plant = async (db: Database): Promise<void> => {
  await migrate(db, [{ service: 'quota', migrations }])
  const { front } = hammeredOver(db)
  const set = (projectId: string, setting: { own: number; borrow: number; pool?: number; lend?: number }) =>
    front.setLimits({ projectId, limits: Object.fromEntries(resources.map((name) => [name, setting])) })
  for (const name of resources) await front.ensureResource({ name, service: 'compute', defaultLimit: 60 })
  await set(root, { own: 60, borrow: 0, pool: 10 })
  for (const middle of ['a', 'b']) await set(middle, { own: 25, borrow: 20, pool: 5, lend: -1 })
  // Some lend all, some keep a part or all for themselves.
  for (const [index, leaf] of leaves.entries())
    await set(leaf, { own: 10, borrow: [0, 5, -1, -1][index]!, lend: [-1, 5, 0, -1][index]! })
}

/** What the loops of a cloud do, one look of each. */
export const tidy = async ({ parts, front }: Hammered): Promise<void> => {
  const loops: AnyController[] = [
    expireReservations(parts, front),
    serveWaiting(parts, front),
    endTickets(parts, front),
  ]
  for (const { observe, plan, act, perPass } of loops)
    for (const step of plan(await observe(perPass))) await act(step)
}

/** As the service does on the bus: a refusal undoes its transaction, so notices are given in one of their own. */
export const beginWishes = async ({ parts: { db }, front, wishes }: Hammered): Promise<void> => {
  for (const wish of wishes.splice(0)) await db.transaction((tx) => front.reclaim.begin(tx, wish))
}

/** Whole numbers below what is asked, the same ones for the same seed (Mulberry32). */
export const chanceOf = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
