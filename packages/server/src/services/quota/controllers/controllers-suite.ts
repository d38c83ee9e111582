/** Quota's loops on one database: each does its work, once, through every crash, and two at a time. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { controllerSuite, type ControllerBench } from '#platform/controllers/testing.ts'
import type { AnyController } from '#platform/controllers/controller.ts'
import type { Database } from '#platform/db/database.ts'
import { bothTexts, runStatement } from '#platform/db/statement.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { mortal } from '#platform/db/testing-deaths.ts'
import type { MortalDatabase } from '#platform/db/testing-deaths.ts'
import type { QuotaOwner } from '../facade.ts'
import { historyList } from '../store/history.ts'
import { openQuota, type QuotaBench } from '../testing.ts'
import { Moves } from '../manager/owners-moves.ts'
import { driftOf } from '../manager/audit.ts'
import { endTickets } from './end-tickets.ts'
import { expireReservations } from './expire-reservations.ts'
import { followProjects } from './follow-projects.ts'
import { followUnifiedLimits } from './follow-unified-limits.ts'
import { forgetProjects } from './forget-projects.ts'
import { pruneHistory } from './prune-history.ts'
import { recountRows } from './recount-rows.ts'
import { repairNumbers } from './repair-numbers.ts'
import { serveWaiting } from './serve-waiting.ts'

const dayMs = 86_400_000

interface Case {
  /** Makes work, in a tree of org 16 with t1 and t2 of 8 each, lending all. */
  prepare(bench: QuotaBench): Promise<void>
  controller(bench: QuotaBench): AnyController
  assertDone(bench: QuotaBench): Promise<void>
}

type Worlds = Pick<TestDatabase, 'name' | 'open'>

/** Its database dies when it is told to. */
const open = async (database: Worlds) => {
  let db: MortalDatabase | undefined
  const open: TestDatabase['open'] = async (options) => (db = mortal(await database.open(options)))
  const bench = await openQuota({ open }, { org: null, t1: 'org', t2: 'org' })
  await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 16 })
  for (const projectId of ['t1', 't2']) {
    const instances = { own: 8, lend: -1, borrow: projectId === 't2' ? 8 : 0 }
    await bench.front.setLimits({ projectId, limits: { instances } })
  }
  return { bench, deaths: db!.deaths }
}

const take = (bench: QuotaBench, subject: string, projectId: string, instances: number, isKept: boolean) =>
  bench.db.transaction(async (tx) => {
    await bench.front.reserve(tx, { projectId, deltas: { instances }, subject, reclaimable: 'yes' })
    if (isKept) await bench.front.commit(tx, subject)
  })

const heldBy = async (bench: QuotaBench, projectId: string): Promise<number[]> => {
  const { inUse, reserved } = (await bench.front.usage(projectId)).instances!
  return [inUse, reserved]
}

/** A service whose rows are these: id → project and instances. */
const ownerOf = (rows: Record<string, [projectId: string, instances: number]>): QuotaOwner => {
  const look = (key: string) =>
    key in rows ? { key, projectId: rows[key]![0], amounts: { instances: rows[key]![1] } } : undefined
  return {
    name: 'things',
    prefix: 'some_thing:',
    look: async (_executor, key) => look(key),
    list: async (after, limit) =>
      Object.keys(rows)
        .sort()
        .filter((key) => key > after)
        .slice(0, limit)
        .map((key) => look(key)!),
  }
}

export const loopsOfClaims: Record<string, Case> = {
  'quota.expire-reservations': {
    prepare: async (bench) => {
      await take(bench, 'kept', 't1', 1, true)
      for (const subject of ['lost 1', 'lost 2', 'lost 3']) await take(bench, subject, 't1', 1, false)
      bench.clock.advance(600_000)
    },
    controller: (bench) => expireReservations(bench.parts, bench.front),
    assertDone: async (bench) => assert.deepEqual(await heldBy(bench, 't1'), [1, 0]),
  },
  'quota.end-tickets': {
    prepare: async (bench) => {
      await take(bench, 'big', 't2', 12, true)
      for (let index = 0; index < 4; index++) await take(bench, `small ${index}`, 't2', 1, true)
      await bench.db.transaction((tx) =>
        bench.front.reclaim.begin(tx, { projectId: 't1', amounts: { instances: 2 }, subject: 'owner' }),
      )
      bench.clock.advance(600_000)
    },
    controller: (bench) => endTickets(bench.parts, bench.front),
    assertDone: async (bench) => {
      assert.deepEqual(await bench.front.notices(), [])
      assert.deepEqual(await heldBy(bench, 't1'), [0, 0])
    },
  },
  'quota.serve-waiting': {
    prepare: async (bench) => {
      await take(bench, 'all', 't2', 16, true)
      await bench.db.transaction((tx) =>
        bench.front.reserve(tx, { projectId: 't1', deltas: { instances: 2 }, subject: 'waits', whenFull: 'wait' }),
      )
      const waits = { whenFull: 'wait' as const, waitMaxMs: 1 }
      const late = { projectId: 't1', deltas: { instances: 1 }, subject: 'late', ...waits }
      await bench.db.transaction((tx) => bench.front.reserve(tx, late))
      bench.clock.advance(1)
      await bench.front.setLimits({ projectId: 'org', limits: { instances: { own: 20 } } })
    },
    controller: (bench) => serveWaiting(bench.parts, bench.front),
    assertDone: async (bench) => {
      assert.deepEqual(await bench.front.waiting('t1'), [])
      assert.deepEqual(await heldBy(bench, 't1'), [0, 2])
    },
  },
  'quota.repair-numbers': {
    prepare: async (bench) => {
      await take(bench, 'one', 't1', 3, true)
      await bench.db.as<{ quota_cell: { counted: number } }>().updateTable('quota_cell').set({ counted: 5 }).execute()
    },
    controller: (bench) => repairNumbers(bench.parts),
    assertDone: async (bench) => assert.deepEqual(await driftOf(bench.db, 10), []),
  },
  'quota.prune-history': {
    prepare: async (bench) => {
      await take(bench, 'old', 't1', 1, true)
      bench.clock.advance(3 * dayMs)
      for (let index = 0; index < 6; index++) await take(bench, `new ${index}`, 't1', 1, true)
    },
    controller: (bench) => pruneHistory(bench.parts, { rowsMax: 4, ageMaxMs: 2 * dayMs }),
    assertDone: async (bench) => {
      const left = (await historyList(bench.db, {}, 100)).map(({ subject }) => subject)
      assert.deepEqual(left, ['new 5', 'new 4', 'new 3', 'new 2'])
    },
  },
}

export const loopsOfProjects: Record<string, Case> = {
  'quota.forget-projects': {
    prepare: async (bench) => {
      for (const projectId of ['t1', 't2']) await take(bench, `of ${projectId}`, projectId, 2, true)
      for (const projectId of ['t1', 't2']) bench.known.delete(projectId)
    },
    controller: (bench) => forgetProjects(bench.parts, bench.projects),
    assertDone: async (bench) => {
      const { allocated, inUse, free } = (await bench.front.usage('org')).instances!
      assert.deepEqual([allocated, inUse, free], [0, 4, 12])
    },
  },
  'quota.follow-unified-limits': {
    prepare: async (bench) => {
      const limit = (id: string, value: number) => ({
        id,
        serviceType: 'compute',
        regionId: null,
        resourceName: 'servers',
        value,
      })
      bench.unified.registered.push(limit('registered', 5))
      for (const [projectId, value] of [
        ['org', 10],
        ['t1', 3],
      ] as const)
        bench.unified.limits.push({ ...limit(`of ${projectId}`, value), projectId, isDomain: false })
    },
    controller: (bench) => followUnifiedLimits(bench.followed),
    assertDone: async (bench) => {
      assert.deepEqual(await bench.followed.differences(), [])
      assert.equal((await bench.front.limits('t1')).instances, 3)
    },
  },
  'quota.follow-projects': {
    prepare: async (bench) => {
      bench.known.set('other', null)
      await take(bench, 'elsewhere', 'other', 1, true)
      for (const projectId of ['t1', 't2']) await take(bench, `of ${projectId}`, projectId, 3, true)
      bench.known.set('t1', 'other')
      bench.known.set('t2', null)
    },
    controller: (bench) => followProjects(new Moves(bench.parts, bench.projects)),
    assertDone: async (bench) => {
      assert.equal((await bench.front.usage('org')).instances!.allocated, 0)
      const rows = (await bench.board.tree({ isAdmin: true } as never)).map(({ project, depth, inUse }) => [
        ...[project, depth, inUse],
      ])
      assert.deepEqual(rows, [
        ['org', 0, 0],
        ['other', 0, 1],
        ['t1', 1, 3],
        ['t2', 0, 3],
      ])
    },
  },
  'quota.recount-rows': {
    prepare: async (bench) => {
      // `orphan` is of a project that Keystone has forgotten, and nobody's any more.
      for (const row of ['a', 'b', 'lost', 'moved']) await take(bench, `some_thing:${row}`, 't1', 1, true)
      await take(bench, 'some_thing:b:more', 't1', 1, true)
      await take(bench, 'another:service', 't2', 2, true)
    },
    controller: (bench) => {
      const { owners } = bench.front
      owners.register(
        ownerOf({
          a: ['t1', 1],
          b: ['t1', 3],
          moved: ['t2', 1],
          missing: ['t2', 7],
          free: ['t2', 0],
          orphan: ['gone', 3],
        }),
      )
      return recountRows(owners)
    },
    assertDone: async (bench) => {
      assert.deepEqual(
        [await heldBy(bench, 't1'), await heldBy(bench, 't2')],
        [
          [4, 0],
          [10, 0],
        ],
      )
      const repaired = await historyList(bench.db, { kinds: ['repaired'] }, 100)
      assert.deepEqual(repaired.map(({ subject }) => subject).sort(), [
        'some_thing:b',
        'some_thing:lost',
        'some_thing:missing',
        'some_thing:moved',
      ])
    },
  },
}

const suiteOf = (database: Worlds, name: string, { prepare, controller, assertDone }: Case): void => {
  const make = async (): Promise<ControllerBench> => {
    const { bench, deaths } = await open(database)
    await prepare(bench)
    deaths.begin()
    return {
      db: bench.db,
      controller: () => controller(bench),
      assertDone: async () => {
        await assertDone(bench)
        assert.deepEqual(await driftOf(bench.db, 10), [])
      },
      effects: () => [...deaths.written],
      dieAfterEffect: (n) => deaths.dieBehind(n),
      close: () => bench.db.close(),
    }
  }
  controllerSuite({ name: `${name} on ${database.name}`, make })
}

const tablesOfSchema = bothTexts(`
  select tablename as name from pg_tables where schemaname = current_schema() and tablename <> 'schema_migration'`)

const emptied = (db: Database): Promise<unknown> =>
  db.transaction(async (tx) => {
    const { rows } = await runStatement<{ name: string }>(tx, tablesOfSchema, [])
    await runStatement(tx, bothTexts(`truncate ${rows.map(({ name }) => name).join(', ')} restart identity`), [])
  })

/** To empty a database of PostgreSQL costs far less than to make another, and each death needs a world of its own. */
const oneForAll = (database: TestDatabase): Worlds & { close(): Promise<void> } => {
  let only: Database | undefined, close: Database['close'] | undefined
  return {
    name: database.name,
    open: async (options) => {
      if (only) await emptied(only)
      else {
        only = await database.open(options)
        close = only.close
        only.close = async () => undefined
      }
      return only
    },
    close: async () => close?.(),
  }
}

export const quotaControllerSuites = (database: TestDatabase, cases: Record<string, Case>): void => {
  const worlds = database.name === 'postgresql' ? oneForAll(database) : undefined
  after(() => worlds?.close())
  for (const [name, one] of Object.entries(cases)) suiteOf(worlds ?? database, name, one)
}
