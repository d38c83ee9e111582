/** The numbers read along one path are those of the whole tree, for every project of it, in every mode. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { projectFetch } from '../store/projects.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'
import { usageOf } from './balances.ts'
import { growTree } from './grown-tree.ts'
import { storedUsage } from './stored-usage.ts'

for (const database of testDatabases()) {
  describe(`numbers along a path on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    const set = (projectId: string, cores: object | number) =>
      bench.front.setLimits({ projectId, limits: { cores: cores as number } })
    const take = (projectId: string, cores: number, started = false) =>
      bench.db.transaction((tx) => {
        const subject = `${projectId} ${cores}`
        return bench.front.reserve(tx, { projectId, deltas: { cores }, subject, started })
      })
    const open = async () => {
      bench = await openQuota(database, { org: null, dept: 'org', lab: 'org', a: 'dept', b: 'dept', free: null })
      await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 40 })
      await bench.front.ensureResource({ name: 'disks', service: 'storage', defaultLimit: -1 })
      await bench.front.ensureResource({ name: 'keys', service: 'compute', defaultLimit: 5, isCounted: false })
    }
    const inTree = async (projectId: string, rootId: string) => {
      const engine = await growTree(bench.db, rootId),
        project = engine.tree.project(projectId)
      return Object.fromEntries(engine.tree.resources.map((name, number) => [name, usageOf(engine, project, number)]))
    }
    const stored = async (id: string) => storedUsage(bench.db, (await projectFetch(bench.db, id))!)

    test('of leaves and inner projects that own, lend, borrow, share, are in debt or have no limit', async () => {
      await open()
      await set('org', { own: 40, pool: 10 })
      await set('dept', { own: 20, lend: 5, borrow: 6, ceiling: 24 })
      await set('lab', { borrow: -1 })
      await set('a', { own: 12, lend: -1 })
      await set('b', { borrow: -1 })
      await set('free', -1)
      for (const [projectId, cores] of Object.entries({ org: 3, dept: 2, a: 7, b: 8, lab: 9, free: 1000 })) {
        await take(projectId, cores)
        await take(projectId, 1, true)
      }
      await bench.front.setLimits({ projectId: 'b', limits: { cores: { borrow: 1 } }, force: true })
      for (const id of ['org', 'dept', 'lab', 'a', 'b']) assert.deepEqual(await stored(id), await inTree(id, 'org'), id)
      assert.deepEqual(await stored('free'), await inTree('free', 'free'))
    })

    test('a number that is not there yet is found in the whole tree', async () => {
      await open()
      await take('a', 0)
      await set('dept', 8)
      await bench.front.ensureResource({ name: 'ports', service: 'network', defaultLimit: 7 })
      assert.equal(await stored('dept'), undefined)
      const { cores, ports } = await bench.front.usage('org')
      assert.deepEqual([cores!.free, ports!.available], [32, 7])
    })

    test('the limits of many roots are those of each', async () => {
      await open()
      await set('org', 12)
      await take('free', 1)
      const all = await bench.limits.limitsOfRoots(['org', 'free'])
      for (const id of ['org', 'free']) assert.deepEqual(all.get(id), await bench.limits.limits(id))
      assert.equal(all.get('org')!.cores, 12)
    })
  })
}
