/** One of many processes that reserve, wait, lend, obey, expire and release at random until they are killed. */
import { openDatabase } from '#platform/db/database.ts'
import { isTransient } from '#platform/db/db-errors.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Reservation, ReserveRequest } from './facade.ts'
import type { Word } from './testing-ledger.ts'
import { beginWishes, chanceOf, hammeredOver, patienceMs, projects, tidy } from './testing-tree.ts'

const [url, name, seed, left] = process.argv.slice(2)
const db = await openDatabase({ url: url!, poolMax: 2 })
const hammered = hammeredOver(db)
const { front } = hammered
const below = chanceOf(Number(seed))
/** What it looks after, of those before it, too. */
const live: string[] = JSON.parse(left!)
let asked = 0
/** Half of the processes wait for each other's rows, the others are serializable as the platform's default is. */
const isolation = Number(name) % 2 === 0 ? ({ isolation: 'read committed' } as const) : {}

/** Has left this process before it goes on, so that a kill cannot keep back what was begun. */
const say = (word: Word): Promise<void> =>
  new Promise((resolve, reject) => process.send!(word, (error: Error | null) => (error ? reject(error) : resolve())))

const bearRefusals = async (work: Promise<unknown>): Promise<void> => {
  try {
    await work
  } catch (error) {
    if (!isRefusal(error) && !isTransient(error)) throw error
  }
}

const anyOf = <T>(list: readonly T[]): T | undefined => list[below(list.length || 1)]

const anyAsk = (): ReserveRequest => ({
  projectId: anyOf(projects)!,
  deltas: [{ cores: 1 + below(4) }, { ram: 1 + below(4) }, { cores: 1 + below(3), ram: 1 + below(3) }][below(3)]!,
  subject: `${name}-${asked++}`,
  reclaimable: 'yes',
  started: below(3) > 0,
  ttlMs: patienceMs,
})

/** Tells what it asks for, and how it was answered; who is told to try again knows nothing. */
const told = async (request: ReserveRequest, ask: () => Promise<Reservation['state']>): Promise<void> => {
  await say(['asking', request.subject, request.projectId, request.deltas])
  try {
    await say(['granted', request.subject, await ask()])
    live.push(request.subject)
  } catch (error) {
    if (!isRefusal(error)) throw error
    await say(['refused', request.subject])
  }
}

/** Some can wait, some start at once, some later, and some never: they expire. */
const take = (): Promise<void> => {
  const request: ReserveRequest = { ...anyAsk(), whenFull: below(4) === 0 ? 'wait' : 'refuse', waitMaxMs: patienceMs }
  const isCommitted = below(2) === 0
  return told(request, () =>
    db.transaction(async (tx) => {
      const { state } = await front.reserve(tx, request)
      if (state !== 'reserved' || !isCommitted) return state
      await front.commit(tx, request.subject)
      return 'committed'
    }, isolation),
  )
}

/** Many at once without a row of their own, of which each is answered by itself. */
const takeTogether = async (): Promise<void> => {
  const requests = Array.from({ length: 1 + below(6) }, anyAsk)
  await Promise.all(
    requests.map((request) =>
      bearRefusals(told(request, async () => (await front.reserveAlone(request)).state)),
    ),
  )
}

const startLater = async (): Promise<void> => {
  const subject = anyOf(live)
  if (subject === undefined) return
  await db.transaction((tx) => front.commit(tx, subject), isolation)
  await say(['granted', subject, 'committed'])
}

const giveBack = async (subject: string): Promise<void> => {
  await say(['releasing', subject])
  await db.transaction((tx) => front.release(tx, { projectId: '', subject }), isolation)
  await say(['released', subject])
}

/** Whoever is told to end ends, whoever made it. */
const obey = async (): Promise<void> => {
  const notice = anyOf(await front.notices())
  if (notice) await giveBack(notice.subject)
}

const release = async (): Promise<void> => {
  if (live.length > 0) await giveBack(live.splice(below(live.length), 1)[0]!)
}

const steps: (() => Promise<void>)[] = [
  ...Array<typeof take>(6).fill(take),
  ...Array<typeof release>(8).fill(release),
  ...[takeTogether, takeTogether, startLater, obey, obey, () => tidy(hammered)],
]

for (;;) {
  await bearRefusals(anyOf(steps)!())
  await bearRefusals(beginWishes(hammered))
}
