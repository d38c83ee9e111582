/** Many processes, killed at random, reserve on one tree: nothing may be over-committed, lost or counted twice. */
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#platform/clock/clock.ts'
import { openDatabase, type Database } from '#platform/db/database.ts'
import { migrate } from '#platform/db/migrate.ts'
import { migrations } from './store/migrations.ts'
import { assertNoDrift, quotaOver } from './testing.ts'
import { growTree } from './manager/grown-tree.ts'

const processes = 8
/** Looks between two kills: long enough for a new process to get going. */
const killEvery = 4
const workMin = 200
const killsMin = 3
const known = new Map<string, string | null>([
  ['org', null],
  ['a', 'org'],
  ['b', 'org'],
  ['a1', 'a'],
  ['a2', 'a'],
  ['b1', 'b'],
  ['b2', 'b'],
])

const plant = async (db: Database): Promise<void> => {
  await migrate(db, [{ service: 'quota', migrations }])
  const { front } = quotaOver(db, systemClock, known)
  await front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 60 })
  const set = (projectId: string, own: number, borrow: number, pool = 0, lend = -1) =>
    front.setLimits({ projectId, limits: { cores: { own, borrow, pool, lend } } })
  await set('org', 60, 0, 10)
  await set('a', 25, 20, 5)
  await set('b', 25, 20, 5)
  // Some lend all, some keep a part or all for themselves.
  for (const [index, leaf] of ['a1', 'a2', 'b1', 'b2'].entries())
    await set(leaf, 10, [0, 5, -1, -1][index]!, 0, [-1, 5, 0, -1][index]!)
}

/** The laws, on one consistent look at all tables. */
const assertLawful = async (db: Database): Promise<void> => {
  const engine = await db.transaction((tx) => growTree(tx, 'org'), { isolation: 'repeatable read' }),
    { ledger } = engine.tree
  for (const project of engine.tree.projects) {
    assert.ok(ledger.counted(project.node, 0) <= ledger.bound(project.node, 0), `${project.id} is over-committed`)
    assert.ok(ledger.subtree(project.node, 0) <= ledger.ceiling(project.node, 0), `${project.id} is over its ceiling`)
  }
}

/** Once all are out of time nobody waits, and nothing is kept for anybody. */
const assertNobodyWaits = async (db: Database): Promise<void> => {
  const { waitingLine } = quotaOver(db, systemClock, known).front
  const end = systemClock.now() + 60_000
  while ((await waitingLine.roots(1)).length > 0 && systemClock.now() < end) {
    await db.transaction((tx) => waitingLine.serve(tx, 'org'))
    await systemClock.sleep(100)
  }
  const { book } = await growTree(db, 'org')
  const holds = [...book.all()].filter(({ id }) => id.startsWith('quota:hold:'))
  assert.deepEqual([await waitingLine.roots(1), holds], [[], []])
}

const hammer = async (db: Database, url: string, seconds: number): Promise<void> => {
  await plant(db)
  const start = (): ChildProcess =>
    fork(join(import.meta.dirname, 'testing-worker.ts'), [url], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const children = Array.from({ length: processes }, start)
  const begun = performance.now()
  const counted = new Map<number, number>()
  const watch = (child: ChildProcess) => child.on('message', (done) => counted.set(child.pid!, Number(done)))
  children.forEach(watch)
  let looks = 0,
    kills = 0
  const work = () => [...counted.values()].reduce((sum, done) => sum + done, 0)
  const isOver = () => {
    const passed = (performance.now() - begun) / 1000
    return passed > seconds && ((work() > workMin && kills > killsMin) || passed > 5 * seconds)
  }
  while (!isOver()) {
    await systemClock.sleep(400)
    await assertLawful(db)
    const at = looks++ % killEvery === 0 ? children.findIndex((child) => counted.has(child.pid!)) : -1
    // Who has not got anything done yet is not worth killing.
    if (at < 0) continue
    kills++
    children[at]!.kill('SIGKILL')
    children[at] = start()
    watch(children[at]!)
  }
  await Promise.all(
    children.map(
      (child) =>
        new Promise((resolve) => {
          child.once('exit', resolve)
          child.kill('SIGKILL')
        }),
    ),
  )
  await assertLawful(db)
  await assertNobodyWaits(db)
  await assertNoDrift(db)
  assert.ok(work() > workMin && kills > killsMin, `only ${work()} steps and ${kills} kills: this proves nothing`)
}

export const hammerSqlite = async (seconds: number): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'quaystone-hammer-')),
    url = `sqlite:${join(folder, 'quota.db')}`
  const db = await openDatabase({ url })
  try {
    await hammer(db, url, seconds)
  } finally {
    await db.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

export const hammerPostgres = async (postgres: string, seconds: number): Promise<void> => {
  const schema = `hammer_${process.pid}`,
    admin = await openDatabase({ url: postgres })
  await admin.transaction((tx) => tx.as().schema.createSchema(schema).execute())
  const options = encodeURIComponent(`-c search_path=${schema}`)
  const url = `${postgres}${postgres.includes('?') ? '&' : '?'}options=${options}`
  const db = await openDatabase({ url })
  try {
    await hammer(db, url, seconds)
  } finally {
    await db.close()
    await admin.transaction((tx) => tx.as().schema.dropSchema(schema).cascade().execute())
    await admin.close()
  }
}
