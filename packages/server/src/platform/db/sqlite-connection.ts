/** One `node:sqlite` connection: its settings, its prepared statements, and rows as plain objects. */
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import type { CompiledQuery, QueryResult } from 'kysely'

export type Synchronous = 'off' | 'normal' | 'full'

export interface SqliteConnectionOptions {
  path: string
  readOnly: boolean
  synchronous: Synchronous
}

interface Prepared { statement: StatementSync; columns: string[] }

/** Statements kept ready; lists of varying length (`in (?, ?, …)`) must not fill the memory. */
const preparedMax = 500
/** Short, because waiting for another process's lock stops this process's event loop; longer waits retry outside. */
const busyTimeoutMs = 50
/**
 * Pages that many transactions change are copied from the log into the file once in a while: after 32 MiB of it, not
 * after four.
 */
const settings = 'pragma temp_store = memory; pragma cache_size = -16384; pragma wal_autocheckpoint = 8192'
const changesSchema = /^\s*(create|alter|drop|pragma|vacuum|reindex|attach|detach)\b/i

export class SqliteConnection {
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, Prepared>()
  readonly #onSchemaChange: () => void

  constructor(options: SqliteConnectionOptions, onSchemaChange: () => void) {
    this.#onSchemaChange = onSchemaChange
    this.#database = new DatabaseSync(options.path, {
      readOnly: options.readOnly, timeout: busyTimeoutMs, enableForeignKeyConstraints: true,
    })
    if (!options.readOnly) this.#database.exec('pragma journal_mode = wal')
    this.#database.exec(`pragma synchronous = ${options.synchronous}; ${settings}`)
  }

  get inTransaction(): boolean { return this.#database.isTransaction }

  exec(sql: string): void { this.#database.exec(sql) }

  query<Row>(query: CompiledQuery): QueryResult<Row> {
    const parameters = query.parameters.map(bindable)
    if (changesSchema.test(query.sql)) return this.#changeSchema(query.sql, parameters)
    const { statement, columns } = this.#prepare(query.sql)
    if (columns.length > 0) return found(rowsOf<Row>(statement, columns, parameters))
    const { changes, lastInsertRowid } = statement.run(...parameters)
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
  }

  /** Drops the prepared statements, whose column lists may no longer be true, and has SQLite read its schema anew. */
  reload(): void {
    this.#prepared.clear()
    this.#database.exec('select 1 from sqlite_schema limit 1')
  }

  close(): void {
    this.#prepared.clear()
    if (this.#database.isOpen) this.#database.close()
  }

  #changeSchema<Row>(sql: string, parameters: SQLInputValue[]): QueryResult<Row> {
    const rows = this.#database.prepare(sql).all(...parameters)
    this.#prepared.clear()
    this.#onSchemaChange()
    return { rows: rows.map((row) => ({ ...row })) as Row[] }
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    statement.setReturnArrays(true)
    const prepared = { statement, columns: statement.columns().map((column) => column.name) }
    if (this.#prepared.size >= preparedMax) this.#prepared.delete(this.#prepared.keys().next().value ?? '')
    this.#prepared.set(sql, prepared)
    return prepared
  }
}

/** For `insert … returning` and its kind, the rows given back are the rows affected. */
const found = <Row>(rows: Row[]): QueryResult<Row> => ({ rows, numAffectedRows: BigInt(rows.length) })

function rowsOf<Row>(statement: StatementSync, columns: string[], parameters: SQLInputValue[]): Row[] {
  const arrays = statement.all(...parameters) as unknown as unknown[][]
  return arrays.map((values) => {
    const row: Record<string, unknown> = {}
    for (let at = 0; at < columns.length; at++) row[columns[at] as string] = values[at]
    return row as Row
  })
}

/** Whole numbers are bound as integers, so that they stay whole in a TEXT column too, as on PostgreSQL. */
function bindable(value: unknown, position: number): SQLInputValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value === 'string' || value === null || typeof value === 'bigint' || value instanceof Uint8Array) {
    return value
  }
  if (value === undefined) return null
  throw new TypeError(`SQL parameter ${position + 1} is a ${typeof value}: `
    + 'store booleans as 0 or 1, times as milliseconds, and objects through toJson')
}
