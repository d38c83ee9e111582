/** Loans that come back: notices, a hold that nobody else can take, and the owner who finds it there. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { actionsOver, articleTree, playArticle, reasonOf, type Actions } from '../testing-article.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`reclaim on ${database.name}`, () => {
    let bench: QuotaBench, act: Actions
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    const open = async () => {
      bench = await openQuota(database, articleTree)
      act = actionsOver(bench)
    }
    const article = async () => {
      await open()
      await playArticle(bench)
    }
    const start = (subject: string, projectId: string, instances = 1) =>
      act.start({ subject, projectId, amounts: { instances } })
    const stop = (subject: string) => act.stop(subject)
    const wishesBegun = () => act.wishesBegun()
    const noticed = () => act.noticed()
    const inUse = async (projectId: string) => (await bench.front.usage(projectId)).instances!.inUse

    test('T1 is told to ask again, T2’s newest four get notice, and T1 finds what they gave back', async () => {
      await article()
      assert.equal(await reasonOf(start('back', 't1', 4)), 'RECLAIMING')
      assert.equal(await inUse('t2'), 12)
      await wishesBegun()
      assert.deepEqual(await noticed(), ['t2-10', 't2-11', 't2-8', 't2-9'])
      const [first] = await bench.front.notices()
      assert.equal(first!.deadlineAt, bench.clock.now() + 30_000)
      for (const subject of await noticed()) {
        assert.equal(await reasonOf(start('back', 't1', 4)), 'RECLAIMING')
        await stop(subject)
        assert.notEqual(await reasonOf(start('slips in', 't2')), 'granted')
      }
      assert.equal(await reasonOf(start('back', 't1', 4)), 'granted')
      assert.deepEqual([await inUse('t1'), await inUse('t2'), await noticed()], [8, 8, []])
    })

    test('asking again and again gives notice once', async () => {
      await article()
      for (let times = 0; times < 3; times++) {
        assert.equal(await reasonOf(start(`try ${times}`, 't1', 2)), 'RECLAIMING')
        await wishesBegun()
      }
      assert.equal((await noticed()).length, 2)
    })

    test('one by one: what was gathered serves several smaller requests', async () => {
      await article()
      await reasonOf(start('all', 't1', 4))
      await wishesBegun()
      for (const subject of await noticed()) await stop(subject)
      for (let index = 0; index < 4; index++) assert.equal(await reasonOf(start(`one ${index}`, 't1')), 'granted')
      assert.deepEqual([await inUse('t1'), await inUse('t2')], [8, 8])
    })

    test('an owner who does not come back loses the hold, and borrowers who still run may stay', async () => {
      await article()
      await reasonOf(start('back', 't1', 4))
      await wishesBegun()
      await stop('t2-11')
      bench.clock.advance(30_000 + 300_000)
      assert.deepEqual(await bench.front.reclaim.expired(10), ['t1'])
      await bench.db.transaction(async (tx) => {
        await bench.front.reclaim.redeem(tx, 't1')
        await bench.front.reclaim.end(tx, 't1')
      })
      assert.deepEqual(await noticed(), [])
      assert.equal(await reasonOf(start('again', 't2')), 'granted')
    })

    test('who asked for too little first asks for more when it has come', async () => {
      await article()
      await reasonOf(start('one', 't1', 1))
      await wishesBegun()
      for (const subject of await noticed()) await stop(subject)
      assert.equal(await reasonOf(start('three', 't1', 3)), 'RECLAIMING')
      await wishesBegun()
      for (const subject of await noticed()) await stop(subject)
      assert.equal(await reasonOf(start('three', 't1', 3)), 'granted')
    })

    test('beyond its own nobody is told to wait', async () => {
      await article()
      assert.equal(await reasonOf(start('more', 't2')), 'CEILING')
      assert.equal(await reasonOf(start('more', 't1', 5)), 'CEILING')
      assert.deepEqual(bench.wishes, [])
    })

    test('a loan has an age and a state: lent, called back, overdue', async () => {
      await article()
      const loans = async (projectId: string) =>
        (await act.loans(projectId)).map(({ borrower, amount, state, calledBack }) => [
          borrower,
          amount,
          state,
          calledBack,
        ])
      assert.deepEqual(await loans('t1'), [['t2', 4, 'lent', 0]])
      const { sinceMs } = (await act.loans('t2'))[0]!
      assert.equal(bench.clock.now() - sinceMs!, 3, 'the ninth of twelve is the first on lent capacity')
      await reasonOf(start('back', 't1', 2))
      await wishesBegun()
      assert.deepEqual(await loans('t1'), [['t2', 4, 'called back', 2]])
      bench.clock.advance(30_000)
      assert.deepEqual(await loans('t1'), [['t2', 4, 'overdue', 2]])
      for (const subject of await noticed()) await stop(subject)
      assert.equal(await reasonOf(start('back', 't1', 2)), 'granted')
      await stop('t1-0')
      assert.deepEqual(await loans('t1'), [['t2', 2, 'lent', 0]])
    })

    test('an explanation and a simulation count what was gathered for the asking project as free for it', async () => {
      await article()
      await reasonOf(start('back', 't1', 4))
      await wishesBegun()
      const verdict = async () => (await act.explain('t1', { instances: 4 })).verdict
      const victims = async () =>
        (await act.explain('t1', { instances: 4 })).victims.map(({ claim }) => claim).sort()
      const subjects = await noticed()
      assert.deepEqual([await verdict(), await victims()], ['reclaims', subjects])
      await stop(subjects[0]!)
      assert.deepEqual(await victims(), subjects.slice(1))
      for (const subject of subjects.slice(1)) await stop(subject)
      assert.equal(await verdict(), 'fits')
      const step = { claim: { project_id: 't1', amounts: { instances: 4 } } }
      assert.equal((await act.simulate('t1', [step])).results[0]!.state, 'reserved')
    })

    test('who was taken back takes nothing by share until it has cooled down, whatever its subject', async () => {
      await open()
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 4 })
      await bench.front.setLimits({ projectId: 'org', limits: { instances: { pool: 4 } } })
      for (const projectId of ['t1', 't2'])
        await bench.front.setLimits({ projectId, limits: { instances: { own: 0, lend: -1, borrow: -1 } } })
      const take = (subject: string, projectId: string, lineage: string) =>
        act.start({ subject, projectId, lineage, amounts: { instances: 1 } })
      for (let index = 0; index < 4; index++) await take(`web ${index}`, 't2', 'web')
      assert.equal(await reasonOf(take('job', 't1', 'job')), 'RECLAIMING')
      await wishesBegun()
      for (const subject of await noticed()) await stop(subject)
      for (let index = 0; index < 3; index++) await stop(`web ${index}`)
      for (let index = 0; index < 4; index++) await take(`job ${index}`, 't1', 'job')
      assert.equal(await reasonOf(take('web again', 't2', 'web')), 'SHORTAGE')
      assert.equal(await reasonOf(take('other', 't2', 'other')), 'RECLAIMING')
      bench.clock.advance(300_000)
      assert.equal(await reasonOf(take('web again', 't2', 'web')), 'RECLAIMING')
    })

    test('an owner that never takes back is refused, and nobody gets notice', async () => {
      await article()
      await bench.db.transaction((tx) => bench.front.ensureProject(tx, { projectId: 'org', parentId: null }))
      await act.setPolicy('t1', { reclaim: 'never' })
      assert.equal(await reasonOf(start('back', 't1', 1)), 'SHORTAGE')
      assert.deepEqual([bench.wishes, await noticed()], [[], []])
    })
  })
}
