/** Reads a database error of either dialect: was it a broken rule, or bad timing worth another try? */

/** SQLite's extended result codes: https://sqlite.org/rescode.html */
const sqliteUnique = new Set([2067, 1555, 2579])
const sqliteForeignKey = new Set([787, 1811])
const sqliteBusy = 5
const sqliteLocked = 6
/** PostgreSQL's SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const pgUnique = '23505'
const pgForeignKey = new Set(['23503', '23001'])
const pgUnsupported = '0A000'
const pgTransient = new Set(['40001', '40P01'])

const sqliteCode = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined

const pgCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

/** True when a row with the same primary or unique key exists already. */
export const isUniqueViolation = (error: unknown): boolean =>
  sqliteUnique.has(sqliteCode(error) ?? 0) || pgCode(error) === pgUnique

/** True when a row refers to one that does not exist, or is still referred to. */
export const isForeignKeyViolation = (error: unknown): boolean =>
  sqliteForeignKey.has(sqliteCode(error) ?? 0) || pgForeignKey.has(pgCode(error) ?? '')

/** True when a connection planned a statement before the tables changed: on another one it will do. */
export const isStalePlan = (error: unknown): boolean =>
  pgCode(error) === pgUnsupported && error instanceof Error && 'routine' in error
  && error.routine === 'RevalidateCachedQuery'

/** True when the same transaction, tried again, may well succeed. */
export const isTransient = (error: unknown): boolean =>
  isSqliteBusy(error) || pgTransient.has(pgCode(error) ?? '') || isStalePlan(error)

/** True when another connection, perhaps of another process, holds SQLite's write lock. */
export function isSqliteBusy(error: unknown): boolean {
  const primary = (sqliteCode(error) ?? 0) & 0xff
  return primary === sqliteBusy || primary === sqliteLocked
}
