/** One of many processes that reserve, wait, expire and release at random until they are killed. */
import { systemClock } from '#platform/clock/clock.ts'
import { openDatabase } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { isTransient } from '#platform/db/db-errors.ts'
import { claimsExpired } from './store/claims.ts'
import { quotaOver } from './testing.ts'

const leaves = ['org', 'a', 'b', 'a1', 'a2', 'b1', 'b2']
const db = await openDatabase({ url: process.argv[2]!, poolMax: 2 })
const { front } = quotaOver(db, systemClock, new Map(leaves.map((leaf) => [leaf, null])))
const random = (below: number): number => Math.floor(Math.random() * below)
const live: string[] = []
let done = 0
/** Half of the transactions wait for each other's rows, the others are serializable as the platform's default is. */
const waiting = process.pid % 2 === 0 ? ({ isolation: 'read committed' } as const) : {}

const patienceMs = 2_000

/** Some can wait, some start at once, some never start and expire. */
const take = async (subject: string): Promise<void> => {
  const projectId = leaves[random(leaves.length)]!,
    whenFull = random(4) === 0 ? 'wait' : 'refuse',
    started = random(3) > 0
  const asked = {
    projectId,
    deltas: { cores: 1 + random(4) },
    subject,
    reclaimable: 'yes',
    whenFull,
    started,
  } as const
  await db.transaction(async (tx) => {
    const { state } = await front.reserve(tx, { ...asked, waitMaxMs: patienceMs, ttlMs: patienceMs })
    if (state === 'reserved' && random(2) === 0) await front.commit(tx, subject)
  }, waiting)
  live.push(subject)
}

/** What the loops of a cloud do. Who was killed left reservations, and asks that wait. */
const tidy = async (): Promise<void> => {
  for (const subject of await claimsExpired(db, systemClock.now(), 5))
    await db.transaction((tx) => front.cancel(tx, subject, 'expired'), waiting)
  for (const root of await front.waitingLine.roots(1))
    await db.transaction((tx) => front.waitingLine.serve(tx, root), waiting)
}

/** Many at once without a row of their own, of which each is answered by itself. */
const takeTogether = async (): Promise<void> => {
  const ends = await Promise.allSettled(
    Array.from({ length: 1 + random(6) }, async (_, index) => {
      const projectId = leaves[random(leaves.length)]!,
        subject = `${process.pid} ${done} ${index}`
      const asked = { projectId, deltas: { cores: 1 + random(3) }, subject, reclaimable: 'yes' } as const
      await front.reserveAlone({ ...asked, started: random(2) === 0, ttlMs: patienceMs })
      live.push(subject)
    }),
  )
  for (const end of ends)
    if (end.status === 'rejected' && !isRefusal(end.reason) && !isTransient(end.reason)) throw end.reason
}

const step = async (): Promise<void> => {
  if (random(20) === 0) return tidy()
  if (random(4) === 0) return takeTogether()
  const subject = live.length > 0 && random(2) === 0 ? live.splice(random(live.length), 1)[0] : undefined
  if (subject !== undefined) await db.transaction((tx) => front.release(tx, { projectId: '', subject }), waiting)
  else await take(`${process.pid} ${done}`)
}

for (;;) {
  try {
    await step()
  } catch (error) {
    if (!isRefusal(error) && !isTransient(error)) throw error
  }
  if (++done % 10 === 0) process.send?.(done)
}
