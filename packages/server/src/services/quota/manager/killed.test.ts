/** Vector H10: who is killed between decision and commit holds all or nothing, and asks again for the same. */
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { on, once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { migrate } from '#platform/db/migrate.ts'
import { historyList } from '../store/history.ts'
import { migrations } from '../store/migrations.ts'
import type { Order, Told } from '../testing-asker.ts'
import { places } from '../testing-places.ts'
import { assertNoDrift, quotaOver } from '../testing.ts'

const randomKills = 4
/** More things than any ask writes. */
const deathsMax = 20

/** A process of its own that asks. */
class Asker {
  readonly #child: ChildProcess
  readonly #words: AsyncIterator<Told[]>
  readonly #killed: Promise<'killed'>
  constructor(url: string) {
    this.#child = fork(join(import.meta.dirname, '../testing-asker.ts'), [url])
    this.#words = on(this.#child, 'message')
    this.#killed = once(this.#child, 'exit').then(([code, signal]) => {
      assert.equal(signal, 'SIGKILL', `it ended by itself with ${code}`)
      return 'killed'
    })
  }

  async ready(): Promise<void> {
    assert.equal(await this.#next(), 'ready')
  }

  /** The answer, or `killed`; `meanwhile` it asks, something may be done to it. */
  async ask(order: Order, meanwhile: () => Promise<unknown> = async () => undefined): Promise<Told | 'killed'> {
    this.#child.send(order)
    assert.equal(await this.#next(), 'asking')
    await meanwhile()
    return this.#next()
  }

  #next(): Promise<Told | 'killed'> {
    return Promise.race([this.#words.next().then(({ value }) => value[0] as Told), this.#killed])
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#killed
  }
}

/** Ten of its own, six used. */
const benchOver = async (db: Database) => {
  await migrate(db, [{ service: 'quota', migrations }])
  const { front } = quotaOver(db, systemClock, new Map([['p', null]]))
  await front.ensureResource({ name: 'units', service: 'test', defaultLimit: 10 })
  await front.reserveAlone({ projectId: 'p', deltas: { units: 6 }, subject: 'six', started: true })
  const used = async (): Promise<number> => {
    const { inUse, reserved } = (await front.usage('p')).units!
    await assertNoDrift(db)
    return inUse + reserved
  }
  return { db, front, used }
}
type Bench = Awaited<ReturnType<typeof benchOver>>

const started = async (url: string): Promise<Asker> => {
  const asker = new Asker(url)
  await asker.ready()
  return asker
}

/** Another process asks again for what the killed one asked for. */
const retried = async ({ db, front, used }: Bench, url: string, subject: string): Promise<Asker> => {
  const second = await started(url)
  for (let times = 0; times < 2; times++) assert.equal(await second.ask({ subject, dieBehind: 0 }), 'reserved')
  assert.equal(await used(), 9, subject)
  assert.equal((await historyList(db, { kinds: ['granted'], subject }, 10)).length, 1)
  await db.transaction((tx) => front.cancel(tx, subject))
  assert.equal(await used(), 6)
  return second
}

for (const place of places()) {
  test(`killed behind each thing that it writes, the commit among them, on ${place.name}`, () =>
    place.use(async (db, url) => {
      const bench = await benchOver(db),
        between: number[] = []
      let asker = await started(url),
        dieBehind = 1
      for (; dieBehind < deathsMax; dieBehind++) {
        const subject = `killed behind ${dieBehind}`
        if ((await asker.ask({ subject, dieBehind })) !== 'killed') break
        between.push(await bench.used())
        asker = await retried(bench, url, subject)
      }
      await asker.kill()
      // Before the commit nothing is held, behind it all of it.
      assert.deepEqual(between, [...Array<number>(dieBehind - 2).fill(6), 9])
      assert.ok(between.length > 1 && dieBehind < deathsMax)
    }))

  test(`killed at random moments on ${place.name}`, () =>
    place.use(async (db, url) => {
      const bench = await benchOver(db)
      let asker = await started(url)
      const begun = performance.now()
      await asker.ask({ subject: 'measured', dieBehind: 0 })
      const askMs = Math.ceil(performance.now() - begun)
      await db.transaction((tx) => bench.front.cancel(tx, 'measured'))
      for (let round = 0; round < randomKills; round++) {
        const killed = asker,
          subject = `killed at random ${round}`
        const answer = await killed.ask({ subject, dieBehind: 0 }, async () => {
          await systemClock.sleep(randomInt(askMs + 1))
          await killed.kill()
        })
        assert.ok((answer === 'killed' ? [6, 9] : [9]).includes(await bench.used()), subject)
        asker = await retried(bench, url, subject)
      }
      await asker.kill()
    }))
}
