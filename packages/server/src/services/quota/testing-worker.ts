/** One of many processes that reserve, commit, cancel and release at random until they are killed. */
import { systemClock } from '#platform/clock/clock.ts'
import { openDatabase } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { isTransient } from '#platform/db/db-errors.ts'
import { quotaOver } from './testing.ts'

const leaves = ['org', 'a', 'b', 'a1', 'a2', 'b1', 'b2']
const db = await openDatabase({ url: process.argv[2]!, poolMax: 2 })
const { front } = quotaOver(db, systemClock, new Map(leaves.map((leaf) => [leaf, null])))
const random = (below: number): number => Math.floor(Math.random() * below)
const live: string[] = []
let done = 0
/** Half of the transactions wait for each other's rows, the others are serializable as the platform's default is. */
const waiting = process.pid % 2 === 0 ? ({ isolation: 'read committed' } as const) : {}

const take = async (subject: string): Promise<void> => {
  const projectId = leaves[random(leaves.length)]!
  await db.transaction(async (tx) => {
    await front.reserve(tx, { projectId, deltas: { cores: 1 + random(4) }, subject, reclaimable: 'yes' })
    if (random(3) > 0) await front.commit(tx, subject)
  }, waiting)
  live.push(subject)
}

const step = async (): Promise<void> => {
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
