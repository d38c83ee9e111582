/** A journal of claims in SQLite: what one pass decided is on the disk, in one commit, before any of it counts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface ClaimWritten {
  id: string
  project: string
  units: number
}

export class ClaimJournal {
  readonly #folder = mkdtempSync(join(tmpdir(), 'quota-journal-'))
  readonly #db = new DatabaseSync(join(this.#folder, 'claims.sqlite'))
  readonly #insert
  readonly #delete
  commits = 0

  constructor() {
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    this.#db.exec('CREATE TABLE claim (id TEXT PRIMARY KEY, project TEXT NOT NULL, units INTEGER NOT NULL) STRICT')
    this.#insert = this.#db.prepare('INSERT INTO claim VALUES (?, ?, ?)')
    this.#delete = this.#db.prepare('DELETE FROM claim WHERE id = ?')
  }

  write(made: readonly ClaimWritten[], ended: readonly string[]): void {
    if (made.length + ended.length === 0) return
    this.#db.exec('BEGIN IMMEDIATE')
    for (const { id, project, units } of made) this.#insert.run(id, project, units)
    for (const id of ended) this.#delete.run(id)
    this.#db.exec('COMMIT')
    this.commits++
  }

  /** Claims that were written and not ended. */
  get open(): number {
    return (this.#db.prepare('SELECT count(*) AS open FROM claim').get() as { open: number }).open
  }

  close(): void {
    this.#db.close()
    rmSync(this.#folder, { recursive: true })
  }
}
