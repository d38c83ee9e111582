/** Ways to reserve durably over one database: ours with a row and without, and what they are measured beside. */
import type { Database, Tx } from '../../packages/server/src/platform/db/database.ts'
import { runStatement } from '../../packages/server/src/platform/db/statement.ts'
import { systemClock } from '../../packages/server/src/platform/clock/clock.ts'
import { quotaOver } from '../../packages/server/src/services/quota/testing.ts'
import { historyInsert } from '../../packages/server/src/services/quota/store/history.ts'
import { amounts, rootId, type PlantedTree } from './durable-tree.ts'
import { takeNaive } from './naive-rows.ts'
import { openSequencer } from './sequencer.ts'

export const wayNames = ['naive', 'smallest', 'with a row', 'alone', 'sequenced'] as const
export type WayName = (typeof wayNames)[number]

/** One reservation, answered when it is on the disk. `subject` is nobody else's. */
export type Take = (subject: string, leaf: string) => Promise<unknown>

const waitsForRows = { isolation: 'read committed' } as const

/** As little as a transaction can be that makes a row and says so: what no way can be faster than, one row each. */
const smallestInsert = {
  sqlite: 'insert into smallest_row (id, project) values (?1, ?2)',
  postgresql: 'insert into smallest_row (id, project) values ($1, $2)',
}

export const createSmallest = async (db: Database): Promise<void> => {
  await db.transaction((tx) =>
    tx
      .as()
      .schema.createTable('smallest_row')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('project', 'text')
      .execute(),
  )
}

/** The path locked, and then the history and the event that ours has too: only how it is decided differs. */
const naiveWith =
  (paths: ReadonlyMap<string, string[]>) =>
  async (tx: Tx, subject: string, leaf: string): Promise<void> => {
    if (!(await takeNaive(tx, subject, paths.get(leaf)!, amounts))) throw new Error(`${leaf} has nothing left`)
    const row = { at: systemClock.now(), kind: 'granted', projectId: leaf, subject, amounts: { ...amounts } }
    await historyInsert(tx, [{ ...row, actor: null, times: 1, details: {} }])
    tx.emit('quota.granted', { kind: 'granted', projectId: leaf, subject, amounts })
  }

const insertSmallest = async (tx: Tx, subject: string, leaf: string): Promise<void> => {
  await runStatement(tx, smallestInsert, [subject, leaf])
  tx.emit('bench.made', { subject, projectId: leaf, amounts })
}

export const waysOver = (db: Database, { projects }: PlantedTree): Record<WayName, () => Promise<Take>> => {
  const paths = new Map(projects.map(({ id, path }) => [id, path]))
  const { front } = quotaOver(db, systemClock, new Map(projects.map(({ id, path }) => [id, path[1] ?? null])))
  const requestOf = (subject: string, projectId: string) => ({ projectId, deltas: amounts, subject, started: true })
  const inTransaction = (work: (tx: Tx, subject: string, leaf: string) => Promise<unknown>): Take => {
    return (subject, leaf) => db.transaction((tx) => work(tx, subject, leaf), waitsForRows)
  }
  return {
    naive: async () => inTransaction(naiveWith(paths)),
    smallest: async () => inTransaction(insertSmallest),
    'with a row': async () => inTransaction((tx, subject, leaf) => front.reserve(tx, requestOf(subject, leaf))),
    alone: async () => (subject, leaf) => front.reserveAlone(requestOf(subject, leaf)),
    sequenced: async () => {
      const sequencer = await openSequencer(db, rootId)
      return (subject, leaf) => sequencer.take(subject, leaf, amounts)
    },
  }
}
