/** Limits on one object: every project's by default, a project's own when set, and nobody's loss. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { openQuota, type QuotaBench } from '../testing.ts'

const tree = { org: null, red: 'org', blue: 'org' }
const declare = ({ front }: QuotaBench, name: string, defaultLimit: number, isCounted: boolean) =>
  front.ensureResource({ name, service: 'compute', defaultLimit, isCounted })
const limitsOf = ({ front }: QuotaBench, name: string) =>
  Promise.all(['org', 'red', 'blue'].map(async (project) => (await front.limits(project))[name]))

for (const database of testDatabases()) {
  const story = (about: string, work: (bench: QuotaBench) => Promise<void>) =>
    test(`${database.name}: ${about}`, async () => {
      const bench = await openQuota(database, tree)
      try {
        await work(bench)
      } finally {
        await bench.db.close()
      }
    })

  story('what is not counted is every project’s, where of what is counted children have nothing', async (bench) => {
    await declare(bench, 'metadata_items', 128, false)
    await declare(bench, 'cores', 20, true)
    assert.deepEqual(await limitsOf(bench, 'metadata_items'), [128, 128, 128])
    assert.deepEqual(await limitsOf(bench, 'cores'), [20, 0, 0])
  })

  story('a project’s own is set without anybody granting it, and taken back', async (bench) => {
    await declare(bench, 'metadata_items', 128, false)
    await bench.front.setLimits({ projectId: 'red', limits: { metadata_items: 200 } })
    await bench.front.setLimits({ projectId: 'blue', limits: { metadata_items: -1 } })
    assert.deepEqual(await limitsOf(bench, 'metadata_items'), [128, 200, -1])
    await bench.front.resetLimits('red')
    assert.deepEqual(await limitsOf(bench, 'metadata_items'), [128, 128, -1])
  })

  story('what becomes counted is the parent’s to grant again', async (bench) => {
    await declare(bench, 'server_groups', 10, false)
    assert.deepEqual(await limitsOf(bench, 'server_groups'), [10, 10, 10])
    await declare(bench, 'server_groups', 10, true)
    assert.deepEqual(await limitsOf(bench, 'server_groups'), [10, 0, 0])
  })
}
