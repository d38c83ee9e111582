/** The loop that calls debts in: once, through every crash, and two at a time. */
import assert from 'node:assert/strict'
import { controllerSuite, type ControllerBench } from '#platform/controllers/testing.ts'
import { testDatabases } from '#platform/db/testing.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { mortal } from '#platform/db/testing-deaths.ts'
import type { MortalDatabase } from '#platform/db/testing-deaths.ts'
import { driftOf } from '../manager/audit.ts'
import { Debts } from '../manager/debts.ts'
import { debtsKnown } from '../store/debts.ts'
import { actionsOver } from '../testing-article.ts'
import { openQuota, type QuotaBench } from '../testing.ts'
import { collectDebts } from './collect-debts.ts'

const [database] = testDatabases()
const patienceMs = 60_000

/** Its database dies when it is told to. */
const open = async () => {
  let db: MortalDatabase | undefined
  const opened: TestDatabase['open'] = async (options) => (db = mortal(await database!.open(options)))
  const bench = await openQuota({ open: opened }, { org: null, late: 'org', new: 'org', paid: 'org' })
  await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 30 })
  return { bench, deaths: db!.deaths }
}

const lower = (bench: QuotaBench, projectId: string) =>
  bench.front.setLimits({ projectId, limits: { cores: { own: 2 } }, force: true })

/** One debt is due, one has not been seen yet, and one has been paid. */
const prepare = async (bench: QuotaBench): Promise<void> => {
  const { start, stop, setPolicy } = actionsOver(bench),
    debts = new Debts(bench.parts, bench.front)
  for (const projectId of ['late', 'new', 'paid']) {
    await bench.front.setLimits({ projectId, limits: { cores: { own: 4 } } })
    for (let index = 0; index < 4; index++)
      await start({ subject: `${projectId} ${index}`, projectId, amounts: { cores: 1 } })
  }
  await setPolicy('org', { shrinkAfterMs: patienceMs })
  for (const projectId of ['late', 'paid']) {
    await lower(bench, projectId)
    await debts.settle(projectId)
  }
  bench.clock.advance(patienceMs)
  await debts.settle('paid')
  await lower(bench, 'new')
  for (const subject of ['paid 0', 'paid 1']) await stop(subject)
}

const assertDone = async (bench: QuotaBench): Promise<void> => {
  const known = (await debtsKnown(bench.db)).map(({ projectId, since, called }) => [
    ...[projectId, bench.clock.now() - since, called],
  ])
  assert.deepEqual(known, [
    ['late', patienceMs, 2],
    ['new', 0, null],
  ])
  const noticed = (await bench.front.notices()).map(({ subject }) => subject).sort()
  assert.deepEqual(noticed, ['late 2', 'late 3'])
  assert.deepEqual(await driftOf(bench.db, 10), [])
}

const make = async (): Promise<ControllerBench> => {
  const { bench, deaths } = await open()
  await prepare(bench)
  deaths.begin()
  return {
    db: bench.db,
    controller: () => collectDebts(new Debts(bench.parts, bench.front)),
    assertDone: () => assertDone(bench),
    effects: () => [...deaths.written],
    dieAfterEffect: (n) => deaths.dieBehind(n),
    close: () => bench.db.close(),
  }
}

controllerSuite({ name: 'quota.collect-debts', make })
