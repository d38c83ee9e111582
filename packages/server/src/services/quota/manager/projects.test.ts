/** Projects that go: what still runs counts above them until it ends, and nobody gathers or is ended for them. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import type { QuotaOwner } from '../facade.ts'
import { historyList } from '../store/history.ts'
import { projectFetch } from '../store/projects.ts'
import { ticketsList, ticketWrite } from '../store/tickets.ts'
import { actionsOver, reasonOf } from '../testing-article.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'
import { charge } from './path-count.ts'

for (const database of testDatabases()) {
  describe(`projects that go, on ${database.name}`, () => {
    let bench: QuotaBench
    /** Rows of a service: id → project and instances. */
    let rows: Map<string, { projectId: string; instances: number }>
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    /** Ten units; `org` gives what each child is set to. */
    const open = async (tree: Record<string, string | null>) => {
      bench = await openQuota(database, tree)
      rows = new Map()
      bench.front.owns(ownerOf())
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 10 })
    }
    const ownerOf = (): QuotaOwner => {
      const look = (key: string) => {
        const row = rows.get(key)
        return row && { key, projectId: row.projectId, amounts: { instances: row.instances } }
      }
      const list = async () => [...rows.keys()].sort().map((key) => look(key)!)
      return { name: 'things', prefix: 'thing:', list, look: async (_executor, key) => look(key) }
    }
    const boot = async (key: string, projectId: string, instances = 1) => {
      const subject = `thing:${key}`
      bench.clock.advance(1)
      await bench.db.transaction((tx) =>
        bench.front.reserve(tx, { projectId, deltas: { instances }, subject, started: true, reclaimable: 'yes' }),
      )
      rows.set(key, { projectId, instances })
    }
    const end = async (key: string) => {
      const { projectId } = rows.get(key)!
      rows.delete(key)
      await bench.db.transaction((tx) => bench.front.release(tx, { projectId, subject: `thing:${key}` }), {
        isolation: 'read committed',
      })
    }
    const own = (projectId: string, instances: number) => bench.front.setLimits({ projectId, limits: { instances } })
    const goes = async (projectId: string) => {
      bench.known.delete(projectId)
      await bench.db.transaction((tx) => bench.front.forgetProject(tx, projectId))
    }
    const numbers = async (projectId: string) => {
      const { inUse, reserved, allocated, free } = (await bench.front.usage(projectId)).instances!
      return [inUse, reserved, allocated, free]
    }
    const recount = async () => {
      const drifts = await bench.front.owners.drifts(100)
      for (const drift of drifts) await bench.front.owners.repair(drift)
      return drifts.map(({ key }) => key)
    }

    test('a child that is made, filled and deleted again and again fills its parent, once', async () => {
      await open({ org: null })
      const filled: unknown[] = []
      for (let round = 0; round < 4; round++) {
        const child = `child-${round}`
        bench.known.set(child, 'org')
        filled.push(await reasonOf(own(child, 4).then(() => boot(`of ${child}`, child, 4))))
        await goes(child)
      }
      assert.deepEqual(filled, ['granted', 'granted', 'ABOVE_PARENT', 'ABOVE_PARENT'])
      assert.deepEqual(await numbers('org'), [8, 0, 0, 2])
      assert.equal(await reasonOf(boot('more', 'org', 3)), 'SHORTAGE')
    })

    test('what is left counts above, beyond the limit too, until its service releases it by its name', async () => {
      await open({ org: null, a: 'org' })
      await own('a', 8)
      await boot('large', 'a', 8)
      await bench.front.setLimits({ projectId: 'a', limits: { instances: 0 }, force: true })
      await own('org', 5)
      await goes('a')
      assert.deepEqual(await numbers('org'), [8, 0, 0, -3])
      assert.equal(await reasonOf(boot('one', 'org')), 'SHORTAGE')
      await end('large')
      assert.deepEqual(await numbers('org'), [0, 0, 0, 5])
    })

    test('the recount finds everything where it counts, and what is lost is counted there again', async () => {
      await open({ org: null, a: 'org', b: 'a' })
      await own('a', 6)
      await own('b', 4)
      for (const key of ['one', 'two']) await boot(key, 'b')
      await goes('b')
      assert.deepEqual([await recount(), await numbers('a')], [[], [2, 0, 0, 4]])
      await goes('a')
      assert.deepEqual([await recount(), await numbers('org')], [[], [2, 0, 0, 8]])
      await bench.db.transaction((tx) => bench.front.release(tx, { projectId: 'b', subject: 'thing:one' }))
      assert.deepEqual([await recount(), await recount(), await numbers('org')], [['one'], [], [2, 0, 0, 8]])
      rows.delete('two')
      assert.deepEqual([await recount(), await numbers('org')], [['two'], [1, 0, 0, 9]])
    })

    test('what is asked for a project that is gone is admitted where the rest of it counts', async () => {
      await open({ org: null, a: 'org' })
      await own('a', 2)
      await boot('old', 'a', 2)
      await goes('a')
      assert.equal(await reasonOf(boot('late', 'a', 9)), 'SHORTAGE')
      await boot('late', 'a', 8)
      assert.deepEqual([await numbers('org'), await recount()], [[10, 0, 0, 0], []])
      assert.deepEqual(await bench.projects.gone(), [], 'it has not come back as a tree of its own')
      await assert.rejects(own('a', 1), /Project a could not be found/)
    })

    test('a project that is there again counts for itself', async () => {
      await open({ org: null, a: 'org' })
      await own('a', 2)
      await goes('a')
      bench.known.set('a', 'org')
      await own('a', 3)
      await boot('new', 'a', 3)
      assert.deepEqual([await numbers('a'), await numbers('org')], [
        [3, 0, 0, 0],
        [0, 0, 3, 7],
      ])
    })

    test('what a root held is free, and nobody’s', async () => {
      await open({ org: null, a: 'org' })
      await own('a', 2)
      for (const [key, projectId] of [
        ['below', 'a'],
        ['top', 'org'],
      ] as const)
        await boot(key, projectId)
      await goes('a')
      await goes('org')
      assert.deepEqual([await recount(), await bench.projects.gone()], [[], []])
      assert.equal((await bench.front.standing(bench.db, ['thing:below', 'thing:top'])).size, 0)
    })

    test('claims of programs outside end with their project, and so do reservations that nobody commits', async () => {
      await open({ org: null, a: 'org' })
      await own('a', 4)
      for (const subject of ['external:a:job', 'thing:begun'])
        await bench.db.transaction((tx) =>
          bench.front.reserve(tx, { projectId: 'a', deltas: { instances: 2 }, subject }),
        )
      await goes('a')
      assert.deepEqual(await numbers('org'), [0, 2, 0, 8])
      bench.clock.advance(600_000)
      await bench.db.transaction((tx) => bench.front.cancel(tx, 'thing:begun', 'expired'))
      assert.deepEqual(await numbers('org'), [0, 0, 0, 10])
    })

    test('what ends while its project goes is given back once, wherever it counts by then', async () => {
      await open({ org: null })
      for (let round = 0; round < 8; round++) {
        const child = `child-${round}`
        bench.known.set(child, 'org')
        await bench.front.setLimits({ projectId: child, limits: { instances: { own: 2, lend: -1 } } })
        for (const key of [`ends-${round}`, `stays-${round}`]) await boot(key, child)
        await Promise.all([goes(child), end(`ends-${round}`)])
        await end(`stays-${round}`)
        assert.deepEqual(await numbers('org'), [0, 0, 0, 10])
      }
      assert.deepEqual(await recount(), [])
    })

    test('who looked at a project before it went begins again', async () => {
      await open({ org: null, a: 'org' })
      await own('a', 2)
      const before = (await projectFetch(bench.db, 'a'))!
      await goes('a')
      const amounts = { instances: 1 }
      await bench.db.transaction((tx) =>
        assert.rejects(charge(tx, before, { amounts, apply: (walk) => walk.count(amounts, 1, false) }), {
          code: '40001',
        }),
      )
    })

    test('the history says what went, and what its parent has to bear', async () => {
      await open({ org: null, a: 'org' })
      await own('a', 4)
      for (const key of ['one', 'two']) await boot(key, 'a', 2)
      await goes('a')
      const told = await historyList(bench.db, { kinds: ['forgotten', 'inherited'] }, 10)
      assert.deepEqual(
        told.map(({ kind, projectId, amounts, details }) => [kind, projectId, amounts, details]),
        [
          ['inherited', 'org', { instances: 4 }, { of: 'a', claims: 2 }],
          ['forgotten', 'a', { instances: 4 }, { parentId: 'org' }],
        ],
      )
    })

    /** t1 lent four of its eight to t2 and has asked for them back. */
    const reclaiming = async () => {
      await open({ org: null, t1: 'org', t2: 'org' })
      await own('org', 16)
      await bench.front.setLimits({ projectId: 't1', limits: { instances: { own: 8, lend: -1 } } })
      await bench.front.setLimits({ projectId: 't2', limits: { instances: { own: 8, borrow: 8 } } })
      await boot('t1', 't1', 4)
      for (let index = 0; index < 12; index++) await boot(`t2-${index}`, 't2')
      await reasonOf(boot('back', 't1', 4))
      await actionsOver(bench).wishesBegun()
      assert.equal((await bench.front.notices()).length, 4)
    }

    test('nobody is ended for a project that is gone, and nothing is gathered for it', async () => {
      await reclaiming()
      await end('t2-11')
      await goes('t1')
      assert.deepEqual([await bench.front.notices(), await ticketsList(bench.db)], [[], []])
      assert.deepEqual(await numbers('org'), [4, 0, 8, 4])
      const spared = await historyList(bench.db, { kinds: ['spared'] }, 10)
      assert.deepEqual(spared.map(({ subject }) => subject).sort(), ['thing:t2-10', 'thing:t2-8', 'thing:t2-9'])
      await end('t2-10')
      assert.deepEqual([await numbers('org'), await bench.projects.gone()], [[4, 0, 8, 4], []])
    })

    test('what comes back for a project that quota does not know any more is nobody’s', async () => {
      await reclaiming()
      const [ticket] = await ticketsList(bench.db)
      await goes('t1')
      await end('t2-0')
      await bench.db.transaction(async (tx) => {
        await ticketWrite(tx, ticket!)
        await bench.front.reclaim.gather(tx, 't1')
      })
      assert.equal((await bench.front.standing(bench.db, ['quota:hold:t1'])).size, 0)
      assert.deepEqual(await bench.projects.gone(), [])
    })
  })
}
