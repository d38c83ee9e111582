/** The running numbers against the claims they stand for. */
import type { Database, Executor } from '#platform/db/database.ts'
import { rootsList } from '../store/projects.ts'
import { growTree, growLocked, treeDrift, writeTree } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'

/** Roots whose stored numbers are not what their claims add up to. Numbers nobody has needed yet are none. */
export const driftOf = async (db: Database, limit: number): Promise<string[]> => {
  const drifted: string[] = []
  for (const root of await rootsList(db)) {
    if (drifted.length < limit && (await isDrifted(db, root))) drifted.push(root)
  }
  return drifted
}

/** Looks twice: the first look is no snapshot, and a claim may have come between its reads. */
const isDrifted = async (db: Database, root: string): Promise<boolean> =>
  (await driftAt(db, root)) > 0 &&
  (await db.transaction((tx) => driftAt(tx, root), { isolation: 'repeatable read' })) > 0

const driftAt = async (executor: Executor, root: string): Promise<number> =>
  (await treeDrift(executor, root, await growTree(executor, root))).length

export const repair = async (parts: QuotaParts, root: string): Promise<void> => {
  const drift = await parts.db.transaction(async (tx) => {
    const engine = await growLocked(tx, root)
    const found = await treeDrift(tx, root, engine)
    await writeTree(tx, root, engine)
    const cells = found.slice(0, 20)
    if (found.length > 0) {
      tx.emit('quota.numbers.repaired', { rootId: root, cells })
      await parts.history.tell(tx, { kind: 'repaired', projectId: root, details: { cells } })
    }
    return found
  })
  if (drift.length === 0) return
  parts.log.warn({ rootId: root, cells: drift }, 'Quota numbers differed from their claims and were put right')
}
