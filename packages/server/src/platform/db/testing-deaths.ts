/** A database under which a process dies, for tests: behind a statement that wrote, or right behind a commit. */
import { RawNode } from 'kysely'
import type { CompiledQuery, Kysely, KyselyPlugin, QueryId, RootOperationNode } from 'kysely'
import type { Database, Tx } from './database.ts'

/** No refusal and not transient: nobody handles it, as nobody would be there. */
export class ProcessDied extends Error {
  constructor(where: string) {
    super(`The process died behind ${where}`)
  }
}

/** Counts what is written, and dies once behind what it was told. */
class Deaths {
  readonly written: string[] = []
  #dieBehind = 0

  /** Forgets what was written so far. */
  begin(): void {
    this.written.length = 0
  }

  /** The `n`th thing written from now on, from 1, is the last that this process does. */
  dieBehind(n: number): void {
    this.begin()
    this.#dieBehind = n
  }

  wrote(what: string): void {
    const name = `${this.written.length + 1}: ${what}`
    this.written.push(name)
    if (this.written.length !== this.#dieBehind) return
    this.#dieBehind = 0
    throw new ProcessDied(name)
  }
}

export interface MortalDatabase extends Database {
  readonly deaths: Deaths
}

/** The same database; deaths in a transaction undo it, deaths behind its commit come too late for that. */
export const mortal = (db: Database): MortalDatabase => {
  const deaths = new Deaths()
  return {
    deaths,
    dialect: db.dialect,
    kysely: db.kysely,
    as: () => db.as(),
    assertOutside: (what) => db.assertOutside(what),
    alone: async (texts, parameters) => {
      const result = await db.alone<any>(texts, parameters)
      deaths.wrote('a statement and its commit')
      return result
    },
    onEmit: (listener) => db.onEmit(listener),
    close: () => db.close(),
    transaction: async (work, options) => {
      let isWriting = false
      const result = await db.transaction((tx) => {
        isWriting = false
        const note = (what: string) => {
          isWriting = true
          deaths.wrote(what)
        }
        return work(watched(tx, note))
      }, options)
      if (isWriting) deaths.wrote('the commit')
      return result
    },
  }
}

const watched = (tx: Tx, note: (what: string) => void): Tx => ({
  dialect: tx.dialect,
  isolation: tx.isolation,
  emit: (topic, payload) => tx.emit(topic, payload),
  afterCommit: (work) => tx.afterCommit(work),
  as: <Tables>() => watchedQueries(tx.as<Tables>(), note),
})

/** Built queries pass a plugin, written ones `executeQuery` alone. */
const watchedQueries = <Tables>(kysely: Kysely<Tables>, note: (what: string) => void): Kysely<Tables> => {
  const built = kysely.withPlugin(noting(note))
  const executeQuery = async (query: CompiledQuery) => {
    const result = await kysely.executeQuery(query)
    if (writes(query.sql)) note(shortened(query.sql))
    return result
  }
  return new Proxy(built, {
    get: (target, key) => {
      if (key === 'executeQuery') return executeQuery
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const noting = (note: (what: string) => void): KyselyPlugin => {
  const writing = new WeakMap<QueryId, string>()
  return {
    transformQuery: ({ node, queryId }) => {
      const what = writtenBy(node)
      if (what !== undefined) writing.set(queryId, what)
      return node
    },
    transformResult: async ({ result, queryId }) => {
      const what = writing.get(queryId)
      if (what !== undefined) note(what)
      return result
    },
  }
}

const writtenBy = (node: RootOperationNode): string | undefined => {
  if (RawNode.is(node)) {
    const text = node.sqlFragments.join(' ? ')
    return writes(text) ? shortened(text) : undefined
  }
  return /^(Insert|Update|Delete)Query/.exec(node.kind)?.[0]
}

const writes = (sql: string): boolean => /\binsert into\b|\bdelete from\b|\bupdate \S+( \S+)? set\b/i.test(sql)
const shortened = (sql: string): string => sql.trim().replaceAll(/\s+/g, ' ').slice(0, 60)
