/** Group commit on SQLite: transactions that stand in one line share one physical commit, each in its own savepoint. */
import { randomInt } from 'node:crypto'
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import { systemClock } from '#platform/clock/clock.ts'
import { isSqliteBusy } from './db-errors.ts'
import { Mutex } from './mutex.ts'
import type { SqliteConnection } from './sqlite-connection.ts'

/** Waiting for another process's lock ends after about ten seconds. */
const busyTriesMax = 80
const busyPauseMsMax = 150
/** A group ends after so many, or so long, though others wait: its members are answered, other processes get on. */
const membersMax = 128
const ageMsMax = 25

/** Runs `work` again while another process holds the write lock; within the process the line decides. */
export async function whenFree<T>(work: () => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return work()
    } catch (error) {
      if (!isSqliteBusy(error) || tries >= busyTriesMax) throw error
      await systemClock.sleep(randomInt(5, busyPauseMsMax))
    }
  }
}

/** SQLite itself undid a whole group, after a full disk for instance. The code is that of a busy file: try again. */
export class GroupLost extends Error {
  readonly errcode = 5
  constructor() {
    super('The transaction was undone together with one beside it, in which the database failed')
  }
}

interface Group {
  /** Members that have not failed. Nobody of them is answered before `ended` says that the commit is on the disk. */
  members: number
  since: number
  ended: PromiseWithResolvers<void>
}

export interface GroupHooks {
  /** After the physical end of each group. */
  ended(): void
  /** True when the tables changed: the group ends there, so that everybody later sees the new ones. */
  mustEnd(): boolean
}

/** The line at the write connection, and the group that is being written. */
export class SqliteGroups {
  readonly #writer: SqliteConnection
  readonly #hooks: GroupHooks
  readonly #line = new Mutex()
  #open: Group | undefined

  constructor(writer: SqliteConnection, hooks: GroupHooks) {
    this.#writer = writer
    this.#hooks = hooks
  }

  /** Resolves when it is the caller's turn. It must `leave` the member exactly once, whatever happens. */
  async enter(): Promise<SqliteMember> {
    await this.#line.acquire()
    return new SqliteMember(this.#writer, this)
  }

  /** Runs `work` in its turn outside of any transaction. */
  async alone<T>(work: () => T): Promise<T> {
    await this.#line.acquire()
    try {
      this.#end()
      return await whenFree(work)
    } finally {
      this.#hooks.ended()
      this.#line.release()
    }
  }

  /** Waits for its turn, ends what is open, and never lets anybody else have one. */
  async close(): Promise<void> {
    await this.#line.acquire()
    this.#end()
  }

  /** The group that a member joins; a new physical transaction if there is none. */
  async join(): Promise<Group> {
    if (!this.#open) {
      await whenFree(() => this.#writer.exec('begin immediate'))
      const ended = Promise.withResolvers<void>()
      // Members wait for it each; a group whose every member failed is awaited by nobody.
      ended.promise.catch(() => undefined)
      this.#open = { members: 0, since: systemClock.now(), ended }
    }
    this.#open.members++
    return this.#open
  }

  /**
   * The next in line takes its turn, in this group while there is one. The last in line leaves it open for those whose
   * requests have arrived too, but are read one after the other: for one turn of the event loop.
   */
  handOn(): void {
    const group = this.#open
    if (this.#isFull() || !this.#writer.inTransaction || this.#hooks.mustEnd()) this.#end()
    else if (this.#line.waiting === 0) setImmediate(() => this.#endIdle(group))
    this.#line.release()
  }

  /** Whoever has a turn now ends the group later. */
  #endIdle(group: Group | undefined): void {
    if (this.#open === group && !this.#line.isHeld) this.#end()
  }

  /** Undoes a group that has only the member that fails. */
  undo(): void {
    const group = this.#open
    this.#open = undefined
    this.#writer.exec('rollback')
    group?.ended.resolve()
  }

  #isFull(): boolean {
    const group = this.#open
    return group !== undefined && (group.members >= membersMax || systemClock.now() - group.since >= ageMsMax)
  }

  #end(): void {
    const group = this.#open
    this.#open = undefined
    if (group) this.#settle(group)
    this.#hooks.ended()
  }

  #settle({ ended }: Group): void {
    try {
      if (!this.#writer.inTransaction) throw new GroupLost()
      this.#writer.exec('commit')
      ended.resolve()
    } catch (error) {
      if (this.#writer.inTransaction) this.#writer.exec('rollback')
      ended.reject(error)
    }
  }
}

/** One transaction of a group. */
export class SqliteMember implements DatabaseConnection {
  readonly #writer: SqliteConnection
  readonly #groups: SqliteGroups
  #group: Group | undefined
  #isFirst = false
  #hasTurn = true

  constructor(writer: SqliteConnection, groups: SqliteGroups) {
    this.#writer = writer
    this.#groups = groups
  }

  async begin(): Promise<void> {
    const group = await this.#groups.join()
    this.#group = group
    // Who is alone in a group so far needs no savepoint: undoing the group undoes the member.
    this.#isFirst = group.members === 1
    if (!this.#isFirst) this.#writer.exec('savepoint member')
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (!this.#hasTurn) throw new Error('This transaction has ended: is an await missing before a statement of it?')
    if (!this.#writer.inTransaction) throw new GroupLost()
    return this.#writer.query<Row>(query)
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw new Error('Streams are not offered, because SQLite cannot: read in pages instead')
  }

  /** Resolves when the commit is on the disk. */
  async commit(): Promise<void> {
    if (!this.#writer.inTransaction) throw new GroupLost()
    if (!this.#isFirst) this.#writer.exec('release member')
    this.leave()
    await this.#group!.ended.promise
  }

  /** Undoes this member alone. What it saw of others is then true or untrue for good, so that its error may be told. */
  async rollback(): Promise<void> {
    if (!this.#hasTurn) return
    const group = this.#group!
    group.members--
    // SQLite itself has undone all already after a full disk or an I/O error.
    if (this.#writer.inTransaction) {
      if (this.#isFirst) this.#groups.undo()
      else this.#writer.exec('rollback to member; release member')
    }
    this.leave()
    await group.ended.promise.catch(() => undefined)
  }

  leave(): void {
    if (!this.#hasTurn) return
    this.#hasTurn = false
    this.#groups.handOn()
  }
}
