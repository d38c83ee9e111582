/** Claims inside a project's private part: decided, counted and written down by the database alone. */
import type { Tx } from '#platform/db/database.ts'
import type { PrivatePart } from './private-claims.ts'
import { privatePartOnPostgres } from './private-part-postgres.ts'
import { privatePartOnSqlite } from './private-part-sqlite.ts'

export const privatePart = ({ dialect }: Tx): PrivatePart =>
  dialect === 'postgresql' ? privatePartOnPostgres : privatePartOnSqlite
