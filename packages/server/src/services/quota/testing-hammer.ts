/** Many processes, killed at random, reserve on one tree: nothing may be over-committed, lost or counted twice. */
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { systemClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { HappeningKind } from './manager/history.ts'
import { historyList } from './store/history.ts'
import { Laws } from './testing-laws.ts'
import { Ledger, type Word } from './testing-ledger.ts'
import type { Place } from './testing-places.ts'
import { assertNoDrift } from './testing.ts'
import { chanceOf, hammeredOver, leaves, plant, resources } from './testing-tree.ts'

const processes = 8
const lookEveryMs = 400
/** Looks between two kills: long enough for a new process to get going. */
const killEvery = 4
const settingsEvery = 3
/** Of a process that is killed: it has got going. */
const wordsMin = 10
const answersMin = 100
const killsMin = 2
/** All of it must have come about, or the run has proved nothing. */
const seenMin: readonly HappeningKind[] = ['granted', 'lent', 'expired', 'waiting', 'recalled', 'gathered', 'settings']

/** Looks after what was there before any process was. */
const planter = -1

interface Run {
  readonly seconds: number
  /** Of all choices; when they are made is up to the machine. */
  readonly seed: number
}

interface Worker {
  readonly number: number
  readonly child: ChildProcess
  /** When all that it had to say has been heard. */
  readonly heard: Promise<unknown>
}

/** The processes, and what they say. */
class Herd {
  readonly ledger: Ledger
  readonly #url: string
  readonly #seed: number
  readonly #words = new Map<number, number>()
  readonly #failures: string[] = []
  #workers: Worker[] = []
  #started = 0
  kills = 0

  constructor(url: string, seed: number, ledger: Ledger) {
    this.#url = url
    this.#seed = seed
    this.ledger = ledger
    this.#workers = Array.from({ length: processes }, (_, number) => this.#start(ledger.handOver(planter, number)))
  }

  #start(left: readonly string[]): Worker {
    const number = this.#started++
    const args = [this.#url, `${number}`, `${this.#seed + number}`, JSON.stringify(left)]
    const stdio: ['ignore', 'ignore', 'inherit', 'ipc'] = ['ignore', 'ignore', 'inherit', 'ipc']
    const child = fork(join(import.meta.dirname, 'testing-worker.ts'), args, { stdio })
    child.on('message', (word: Word) => {
      this.#words.set(number, (this.#words.get(number) ?? 0) + 1)
      this.ledger.note(number, word)
    })
    child.on('exit', (code, signal) => {
      if (signal !== 'SIGKILL') this.#failures.push(`process ${number} ended by itself with ${code ?? signal}`)
    })
    return { number, child, heard: Promise.all([once(child, 'exit'), once(child, 'disconnect')]) }
  }

  /** One of them is killed, and another looks after what it left. Who has said hardly anything yet is not worth it. */
  async replaceOne(below: (limit: number) => number): Promise<boolean> {
    const able = this.#workers.filter(({ number }) => (this.#words.get(number) ?? 0) >= wordsMin)
    const killed = able[below(able.length || 1)]
    if (!killed) return false
    this.kills++
    await this.#kill(killed)
    const left = this.ledger.handOver(killed.number, this.#started)
    this.#workers = [...this.#workers.filter((one) => one !== killed), this.#start(left)]
    return true
  }

  async #kill({ child, heard }: Worker): Promise<void> {
    child.kill('SIGKILL')
    await heard
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => this.#kill(worker)))
  }

  assertWell(): void {
    assert.deepEqual(this.#failures, [])
  }
}

/** What an operator does now and then. */
const changeAny = (laws: Laws, below: (limit: number) => number): Promise<void> => {
  const change = [
    { lend: [0, 5, Infinity][below(3)]! },
    { borrow: [0, 5, 20, Infinity][below(4)]! },
    { own: 8 + below(4) },
    { weight: 1 + below(3), tier: below(2) },
  ][below(4)]!
  return laws.change(leaves[below(leaves.length)]!, resources[below(resources.length)]!, change)
}

const missingOf = async (db: Database, { ledger, kills }: Herd): Promise<string[]> => {
  const missing: string[] = []
  if (ledger.answers < answersMin) missing.push(`only ${ledger.answers} answers`)
  if (kills < killsMin) missing.push(`only ${kills} kills`)
  for (const kind of seenMin) if ((await historyList(db, { kinds: [kind] }, 1)).length === 0) missing.push(`no ${kind}`)
  return missing
}

const drive = async (db: Database, herd: Herd, laws: Laws, { seconds, seed }: Run): Promise<void> => {
  const below = chanceOf(seed - 1),
    begun = performance.now()
  const passed = () => (performance.now() - begun) / 1000
  const isOver = async () =>
    passed() > seconds && (passed() > 5 * seconds || (await missingOf(db, herd)).length === 0)
  let killedAt = 0
  for (let looks = 1; !(await isOver()); looks++) {
    await systemClock.sleep(lookEveryMs)
    await laws.assertHold()
    herd.assertWell()
    if (looks % settingsEvery === 0) await changeAny(laws, below)
    if (looks - killedAt >= killEvery && (await herd.replaceOne(below))) killedAt = looks
  }
}

/** Who borrows has all of it, so that owners have to take it back from the beginning. */
const fill = async (db: Database): Promise<Ledger> => {
  const { front } = hammeredOver(db),
    ledger = new Ledger()
  const takings = [...Array<string>(10).fill('b2'), ...Array<string>(5).fill('a2')]
  for (const [index, projectId] of takings.entries()) {
    const subject = `first ${index}`,
      deltas = { cores: 3, ram: 3 }
    ledger.note(planter, ['asking', subject, projectId, deltas])
    const { state } = await front.reserveAlone({ projectId, deltas, subject, reclaimable: 'yes', started: true })
    ledger.note(planter, ['granted', subject, state])
  }
  return ledger
}

const hammerOver = async (db: Database, url: string, run: Run): Promise<string> => {
  await plant(db)
  const laws = new Laws(hammeredOver(db)),
    herd = new Herd(url, run.seed, await fill(db))
  try {
    await drive(db, herd, laws, run)
  } finally {
    await herd.end()
  }
  await laws.assertHold()
  await laws.assertComeToRest()
  await laws.assertHold()
  await herd.ledger.assertTrue(db)
  await assertNoDrift(db)
  herd.assertWell()
  assert.deepEqual(await missingOf(db, herd), [], 'this proves nothing')
  return `${herd.ledger.answers} answers, ${herd.kills} kills`
}

/** `say` tells the seed, by which the same choices are made again: `QUAYSTONE_HAMMER_SEED`. */
export const hammer = async (place: Place, seconds: number, say: (line: string) => void): Promise<void> => {
  const seed = Number(process.env['QUAYSTONE_HAMMER_SEED'] ?? randomInt(1_000_000_000))
  say(`seed ${seed}`)
  await place.use(async (db, url) => say(await hammerOver(db, url, { seconds, seed })))
}
