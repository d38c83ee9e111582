/** What a migration is: an immutable, numbered step of one service's tables. */
import type { Kysely } from 'kysely'

export interface Migration {
  /** Four digits and a name, `0001-servers`: the order within the service. Never changed once released. */
  id: string
  /** Runs in a transaction, once. It must use nothing but `schema` and the column helpers. */
  up: (schema: Kysely<any>) => Promise<void>
}

export interface ServiceMigrations { service: string; migrations: readonly Migration[] }

const idPattern = /^\d{4}-[a-z0-9-]+$/

export function defineMigration(migration: Migration): Migration {
  if (!idPattern.test(migration.id)) throw new Error(`Migration id "${migration.id}" must look like 0001-what-it-adds`)
  return Object.freeze(migration)
}
