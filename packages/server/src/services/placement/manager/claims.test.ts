/** Claims: exact under concurrency, repeatable, explained when refused; on both databases. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { testDatabases } from '#platform/db/testing.ts'
import { migrate } from '#platform/db/migrate.ts'
import type { Database } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { placementMigrations } from '../store/migrations.ts'
import type { PlacementTables } from '../store/tables.ts'
import { createPlacementFacade } from './facade.ts'

const inventory = (total: number, change = {}) => ({
  total,
  reserved: 0,
  minUnit: 1,
  maxUnit: total,
  stepSize: 1,
  allocationRatio: 1,
  ...change,
})
const owner = { projectId: 'p', userId: 'u' }

async function withPlacement(
  open: () => Promise<Database>,
  work: (facade: ReturnType<typeof createPlacementFacade>, db: Database) => Promise<void>,
) {
  const db = await open()
  try {
    await migrate(db, [{ service: 'placement', migrations: placementMigrations }])
    await work(createPlacementFacade(db), db)
  } finally {
    await db.close()
  }
}

/** The books are right when `used` is the sum of the allocations and no capacity is exceeded. */
async function assertBalanced(db: Database) {
  const inventories = await db.as<PlacementTables>().selectFrom('placement_inventory').selectAll().execute()
  const allocations = await db.as<PlacementTables>().selectFrom('placement_allocation').selectAll().execute()
  for (const row of inventories) {
    const sum = allocations
      .filter((one) => one.provider_id === row.provider_id && one.resource_class === row.resource_class)
      .reduce((total, one) => total + one.amount, 0)
    assert.equal(row.used, sum, `${row.resource_class} of ${row.provider_id}`)
    assert.ok(sum <= row.capacity)
  }
}

for (const { name, open } of testDatabases()) {
  test(`${name}: a claim holds, again is a no-op, a release gives it back`, () =>
    withPlacement(open, async (facade, db) => {
      const providerId = uuid()
      await facade.providerEnsure({
        id: providerId,
        name: 'one',
        inventories: { VCPU: inventory(4, { allocationRatio: 2 }) },
        traits: [],
      })
      const claim = { consumerId: uuid(), providerId, resources: { VCPU: 3 }, ...owner }
      await db.transaction((tx) => facade.claim(tx, claim))
      await db.transaction((tx) => facade.claim(tx, claim))
      assert.deepEqual(await facade.allocations(claim.consumerId), [{ providerId, resources: { VCPU: 3 } }])
      assert.deepEqual((await facade.providers())[0]?.used, { VCPU: 3 })
      await db.transaction((tx) => facade.claim(tx, { ...claim, resources: { VCPU: 4 } }))
      assert.deepEqual((await facade.providers())[0]?.used, { VCPU: 4 }, 'a changed claim replaces the old one')
      await db.transaction((tx) => facade.release(tx, claim.consumerId))
      assert.deepEqual((await facade.providers())[0]?.used, { VCPU: 0 })
      await assertBalanced(db)
    }))

  test(`${name}: what does not fit is refused with the numbers, and nothing of it stays`, () =>
    withPlacement(open, async (facade, db) => {
      const providerId = uuid()
      await facade.providerEnsure({
        id: providerId,
        name: 'one',
        inventories: { VCPU: inventory(4), DISK_GB: inventory(10) },
        traits: [],
      })
      const refused = db.transaction((tx) =>
        facade.claim(tx, { consumerId: uuid(), providerId, resources: { DISK_GB: 5, VCPU: 5 }, ...owner }),
      )
      await assert.rejects(
        refused,
        (error) =>
          isRefusal(error) &&
          error.kind === 'conflict' &&
          error.details.reason === 'no-capacity' &&
          /cannot hold 5 VCPU: 4 of 4 are free/.test(error.message),
      )
      assert.deepEqual((await facade.providers())[0]?.used, { VCPU: 0, DISK_GB: 0 })
      await assertBalanced(db)
    }))

  test(`${name}: concurrent claims and releases never take more than there is, nor lose any`, () =>
    withPlacement(open, async (facade, db) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              provider: fc.nat(1),
              vcpus: fc.integer({ min: 1, max: 4 }),
              ram: fc.integer({ min: 1, max: 400 }),
              drop: fc.boolean(),
            }),
            { minLength: 8, maxLength: 24 },
          ),
          async (wishes) => {
            const providers = [uuid(), uuid()]
            for (const id of providers) {
              await facade.providerEnsure({
                id,
                name: id,
                inventories: { VCPU: inventory(10), MEMORY_MB: inventory(1000) },
                traits: [],
              })
            }
            await Promise.all(
              wishes.map(async ({ provider, vcpus, ram, drop }) => {
                const consumerId = uuid()
                const claim = {
                  consumerId,
                  providerId: providers[provider]!,
                  resources: { VCPU: vcpus, MEMORY_MB: ram },
                  ...owner,
                }
                try {
                  await db.transaction((tx) => facade.claim(tx, claim))
                } catch (error) {
                  assert.ok(isRefusal(error) && error.details.reason === 'no-capacity')
                  return
                }
                if (drop) await db.transaction((tx) => facade.release(tx, consumerId))
              }),
            )
            await assertBalanced(db)
          },
        ),
        { numRuns: name === 'sqlite' ? 15 : 5 },
      )
    }))
}

for (const { name, open } of testDatabases()) {
  test(`${name}: an inventory may shrink below its use: what runs stays, nothing new fits`, () =>
    withPlacement(open, async (facade, db) => {
      const provider = { id: uuid(), name: 'one', inventories: { VCPU: inventory(4) }, traits: ['CUSTOM_SSD'] }
      await facade.providerEnsure(provider)
      await db.transaction((tx) =>
        facade.claim(tx, { consumerId: 'a', providerId: provider.id, resources: { VCPU: 3 }, ...owner }),
      )
      await facade.providerEnsure({ ...provider, inventories: { VCPU: inventory(2) } })
      const [view] = await facade.providers()
      assert.deepEqual([view?.inventories.VCPU?.total, view?.used.VCPU, view?.traits], [2, 3, ['CUSTOM_SSD']])
      await assert.rejects(
        db.transaction((tx) =>
          facade.claim(tx, { consumerId: 'b', providerId: provider.id, resources: { VCPU: 1 }, ...owner }),
        ),
        /cannot hold/,
      )
    }))
}
