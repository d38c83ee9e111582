/** What is in Neutron's database when all migrations have run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrate } from '#platform/db/migrate.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { neutronMigrations } from './migrations.ts'

const before = neutronMigrations.filter(({ id }) => id < '0005')

for (const { name, open } of testDatabases())
  test(`${name}: who owns quota is quota's own business, and the table of it goes with what it held`, async () => {
    const db = await open({ migrations: [{ service: 'neutron', migrations: before }] })
    try {
      await db.kysely.insertInto('neutron_quota_owner').values({ project_id: 'somebody' }).execute()
      await migrate(db, [{ service: 'neutron', migrations: neutronMigrations }])
      const tables = (await db.kysely.introspection.getTables()).map((table) => table.name)
      assert.deepEqual(tables.filter((table) => table.startsWith('neutron_quota')), [])
      assert.ok(tables.includes('neutron_port'))
    } finally {
      await db.close()
    }
  })
