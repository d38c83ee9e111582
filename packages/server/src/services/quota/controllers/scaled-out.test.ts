/** Quota's loops in one of several processes, which takes a step at a time and looks twice before it acts. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { systemClock } from '#platform/clock/clock.ts'
import type { AnyController } from '#platform/controllers/controller.ts'
import { createRunner } from '#platform/controllers/runner.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { silentLog } from '#platform/log/log.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'
import { rootsList } from '../store/projects.ts'
import { forgetProjects } from './forget-projects.ts'
import { recountRows } from './recount-rows.ts'
import { serveWaiting } from './serve-waiting.ts'

const [database] = testDatabases()

describe('loops in one of several processes', () => {
  let bench: QuotaBench
  beforeEach(async () => {
    bench = await openQuota(database!, { a: null, below: 'a', b: null, top: null, z: 'top' })
    await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 10 })
  })
  afterEach(async () => {
    await assertNoDrift(bench.db)
    await bench.db.close()
  })

  const run = async (controller: AnyController, passes: number): Promise<void> => {
    const parts = { db: bench.db, bus: createMemoryBus(), clock: systemClock, log: silentLog }
    const runner = createRunner({ ...parts, controllers: [controller], owner: 'near', leases: true })
    for (let pass = 0; pass < passes; pass++) await runner.pass(controller.name)
    await runner.stop()
  }
  const inUse = async (projectId: string) => (await bench.front.usage(projectId)).cores!.inUse

  test('what a stretch of many rows shows is repaired, and what can not be repaired stops nobody', async () => {
    const rows = Array.from({ length: 1_200 }, (_, index) => `row ${1_000 + index}`)
    const held: Record<string, number> = { 'row 1010': 2, 'row 1600': 3, 'row 2100': 1 }
    const look = (key: string) => {
      if (key in held || rows.includes(key)) return { key, projectId: 'a', amounts: { cores: held[key] ?? 0 } }
      return undefined
    }
    bench.front.owns({
      ...{ name: 'things', prefix: 'thing:' },
      look: async (executor, key) => {
        if (executor !== bench.db && key === 'row 1010') throw new Error('this row can not be read')
        return look(key)
      },
      list: async (after, limit) => rows.filter((key) => key > after).slice(0, limit).map((key) => look(key)!),
    })
    await run(recountRows(bench.front.owners), 6)
    assert.equal(await inUse('a'), 4)
  })

  test('every tree in which somebody waits has its turn, though in none of them all are served', async () => {
    const ask = (subject: string, projectId: string, cores: number) =>
      bench.db.transaction((tx) =>
        bench.front.reserve(tx, { projectId, deltas: { cores }, subject, started: true, whenFull: 'wait' }),
      )
    for (const projectId of ['a', 'b', 'top']) {
      await ask(`all of ${projectId}`, projectId, 10)
      for (const cores of [1, 9]) await ask(`${cores} more of ${projectId}`, projectId, cores)
    }
    for (const projectId of ['a', 'b', 'top']) await bench.front.setLimits({ projectId, limits: { cores: 11 } })
    await run(serveWaiting(bench.parts, bench.front), 3)
    assert.deepEqual([await inUse('a'), await inUse('b'), await inUse('top')], [11, 11, 11])
  })

  const enter = (projectId: string, parentId: string | null) =>
    bench.db.transaction((tx) => bench.front.ensureProject(tx, { projectId, parentId }))

  test('whoever has children that are gone with it goes behind them', async () => {
    await enter('z', 'top')
    for (const projectId of ['top', 'z']) bench.known.delete(projectId)
    await run(forgetProjects(bench.parts, bench.projects), 2)
    assert.deepEqual(await rootsList(bench.db), [])
  })

  test('whoever has children that are still there keeps nobody else from going', async () => {
    await enter('below', 'a')
    await enter('b', null)
    for (const projectId of ['a', 'b']) bench.known.delete(projectId)
    await run(forgetProjects(bench.parts, bench.projects), 2)
    assert.deepEqual(await rootsList(bench.db), ['a'])
  })
})
