/** A minute of many processes, killed at random, that reserve on one tree. */
import { test } from 'node:test'
import { hammerPostgres, hammerSqlite } from '../testing-hammer.ts'

const seconds = Number(process.env['QUAYSTONE_HAMMER_SECONDS'] ?? 60)

test('eight processes on one SQLite file, killed at random', () => hammerSqlite(seconds))

const postgres = process.env['QUAYSTONE_TEST_PG']
if (postgres) {
  test('eight processes on one PostgreSQL, killed at random', () => hammerPostgres(postgres, seconds))
}
