/** Forgets what happened long ago, or so many happenings ago. */
import { defineController } from '#platform/controllers/controller.ts'
import type { QuotaParts } from '../manager/parts.ts'
import { historyDelete, historyExcess } from '../store/history.ts'

export interface HistoryBounds {
  rowsMax: number
  ageMaxMs: number
}

/** Rows of one step: few enough that nobody waits for them. */
const rowsPerStep = 500

export const pruneHistory = (parts: QuotaParts, { rowsMax, ageMaxMs }: HistoryBounds) =>
  defineController<number[][], number[]>({
    name: 'quota.prune-history',
    about: 'Forgets the oldest of what happened to quota, by age and by number',
    wakesOn: [],
    everySeconds: 300,
    perPass: 20,
    observe: async (limit) => {
      const sinceMs = parts.clock.now() - ageMaxMs
      const ids = await historyExcess(parts.db, { rowsMax, sinceMs, limit: limit * rowsPerStep })
      return inParts(ids)
    },
    plan: (steps) => steps,
    key: ([first]) => `from ${first}`,
    // Old rows are read by nobody who writes: there is nothing to be serialized with.
    act: (ids) => parts.db.transaction((tx) => historyDelete(tx, ids), { isolation: 'read committed' }),
  })

const inParts = (ids: readonly number[]): number[][] =>
  Array.from({ length: Math.ceil(ids.length / rowsPerStep) }, (_, index) =>
    ids.slice(index * rowsPerStep, (index + 1) * rowsPerStep),
  )
