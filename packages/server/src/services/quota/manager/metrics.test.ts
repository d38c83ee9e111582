/** Quota's numbers for Prometheus agree with what people are told of loans. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { loansOf } from '#engines/quota/loans.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { createMetrics } from '#platform/metrics/metrics.ts'
import { actionsOver } from '../testing-article.ts'
import { openQuota, type QuotaBench } from '../testing.ts'
import { growTree } from './grown-tree.ts'
import { gauges } from './metrics.ts'

const borrowing = { own: 0, lend: 0, borrow: -1 }

for (const database of testDatabases()) {
  describe(`what is borrowed, for Prometheus, on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(() => bench.db.close())

    const open = async (defaultLimit: number, settings: Record<string, object>) => {
      bench = await openQuota(database, { org: null, team: 'org', x: 'team', y: 'team', z: 'org' })
      await bench.front.ensureResource({ name: 'disk', service: 'compute', defaultLimit })
      for (const [projectId, disk] of Object.entries(settings))
        await bench.front.setLimits({ projectId, limits: { disk }, force: true })
    }
    const use = async (amounts: Record<string, number>) => {
      for (const [projectId, disk] of Object.entries(amounts))
        await actionsOver(bench).start({ subject: `of ${projectId}`, projectId, amounts: { disk } })
    }
    const shown = async () => {
      const metrics = createMetrics({ processMetrics: false })
      gauges(metrics, bench.parts, bench.limits)
      const [, value] = /quota_borrowed\{tree="org",resource="disk"\} (\S+)/.exec(await metrics.text())!
      return Number(value)
    }
    const lent = async () =>
      loansOf((await growTree(bench.db, 'org')).tree, 0).reduce((sum, { amount }) => sum + amount, 0)

    test('what nobody limits is lent by nobody', async () => {
      await open(-1, {})
      await use({ x: 3, z: 4, org: 1 })
      assert.deepEqual([await shown(), await lent()], [0, 0])
    })

    test('below where there is no limit, what siblings lend counts and the rest does not', async () => {
      await open(-1, { team: { own: 4, borrow: -1 }, y: { own: 4, lend: -1 }, x: borrowing })
      await use({ x: 6, z: 5 })
      assert.deepEqual([await shown(), await lent()], [4, 4])
    })

    test('where there is a limit it is all that projects use beyond their own', async () => {
      await open(10, { org: { pool: 4 }, team: { own: 4, lend: -1, borrow: -1 }, x: borrowing, z: borrowing })
      await use({ x: 2, z: 6 })
      assert.deepEqual([await shown(), await lent()], [8, 8])
    })

    test('what a whole tree uses beyond its limit nobody lends', async () => {
      await open(10, { org: { pool: 10 }, z: borrowing })
      await use({ z: 9 })
      await bench.front.setLimits({ projectId: 'org', limits: { disk: { own: 5, pool: 5 } }, force: true })
      assert.deepEqual([await shown(), await lent()], [5, 5])
    })
  })
}
