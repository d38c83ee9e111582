/** Brings the tables up to date: each service's migrations in order, once, also when many processes start together. */
import { sql } from 'kysely'
import type { Database, Tx } from './database.ts'
import type { Migration, ServiceMigrations } from './migration.ts'
import { platformMigrations } from './platform-tables.ts'
import type { PlatformTables } from './platform-tables.ts'

export { defineMigration } from './migration.ts'
export type { Migration, ServiceMigrations } from './migration.ts'

/** Any constant will do, as long as all starters use the same one. */
const advisoryLock = 7_318_440_271

/** Runs what is missing and returns its names, `nova/0001-servers`. Safe to call at every start. */
export async function migrate(db: Database, services: readonly ServiceMigrations[]): Promise<string[]> {
  const all = [{ service: 'platform', migrations: platformMigrations }, ...services]
  all.forEach(assertOrdered)
  await createRecord(db)
  const applied: string[] = []
  for (const { service, migrations } of all) applied.push(...await migrateService(db, service, migrations))
  return applied
}

/** The usual start finds nothing to do, with one read and no lock. */
async function migrateService(db: Database, service: string, migrations: readonly Migration[]): Promise<string[]> {
  const done = await recorded(db, service)
  assertNotNewer(service, done, migrations)
  const applied: string[] = []
  for (const migration of migrations.filter(({ id }) => !done.includes(id))) {
    if (await apply(db, service, migration)) applied.push(`${service}/${migration.id}`)
  }
  return applied
}

/** Another starter may have been first: the record is read again under the lock. */
function apply(db: Database, service: string, migration: Migration): Promise<boolean> {
  return db.transaction(async (tx) => {
    await lockStarters(tx)
    if ((await recorded(tx, service)).includes(migration.id)) return false
    await migration.up(tx.as())
    await tx.as<PlatformTables>().insertInto('schema_migration')
      .values({ service, id: migration.id, applied_at: appliedAt(tx) }).execute()
    return true
  }, { isolation: 'read committed' })
}

async function createRecord(db: Database): Promise<void> {
  await db.transaction(async (tx) => {
    await lockStarters(tx)
    await tx.as<PlatformTables>().schema.createTable('schema_migration').ifNotExists()
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('applied_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('schema_migration_key', ['service', 'id'])
      .execute()
  }, { isolation: 'read committed' })
}

/** On SQLite the transaction itself is the lock. */
async function lockStarters(tx: Tx): Promise<void> {
  if (tx.dialect === 'postgresql') await sql`select pg_advisory_xact_lock(${sql.lit(advisoryLock)})`.execute(tx.as())
}

/** The database's own time, because a record for people needs no clock of ours. */
const appliedAt = (tx: Tx) => tx.dialect === 'postgresql'
  ? sql<number>`(extract(epoch from now()) * 1000)::bigint`
  : sql<number>`cast(unixepoch('subsec') * 1000 as integer)`

async function recorded(executor: Pick<Database, 'as'>, service: string): Promise<string[]> {
  const rows = await executor.as<PlatformTables>().selectFrom('schema_migration').select('id')
    .where('service', '=', service).orderBy('id').execute()
  return rows.map(({ id }) => id)
}

function assertNotNewer(service: string, done: string[], migrations: readonly Migration[]): void {
  const unknown = done.filter((id) => !migrations.some((migration) => migration.id === id))
  if (unknown.length === 0) return
  throw new Error(`The database is newer than this program: ${service} has already run ${unknown.join(', ')}, `
    + 'which this version does not know. Start the version that wrote it, or restore a backup from before the upgrade')
}

function assertOrdered({ service, migrations }: ServiceMigrations): void {
  migrations.forEach(({ id }, at) => {
    const expected = String(at + 1).padStart(4, '0')
    if (!id.startsWith(`${expected}-`)) {
      throw new Error(`Migration ${id} of ${service} must be number ${expected}: ids count up without gaps`)
    }
  })
}
