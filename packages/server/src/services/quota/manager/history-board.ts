/** What people see of quota's past: their own project's and those below it, the newest first. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { historyList } from '../store/history.ts'
import type { HistoryFilter, StoredHappening } from '../store/history.ts'
import type { Board } from './board.ts'
import { happeningKinds } from './history.ts'
import type { QuotaParts } from './parts.ts'

export interface HistoryQuestion extends Omit<HistoryFilter, 'projectIds'> {
  /** With everything below it. Without it: all that the caller may see. */
  projectId?: string
  limit: number
}

/** Keys of a happening's details that name another project. */
const foreignKeys = ['node', 'for', 'parentId', 'from', 'to']

export class HistoryBoard {
  readonly #parts: Pick<QuotaParts, 'db'>
  readonly #board: Board

  constructor(parts: Pick<QuotaParts, 'db'>, board: Board) {
    this.#parts = parts
    this.#board = board
  }

  async list(ctx: RequestContext, { projectId, limit, ...filter }: HistoryQuestion): Promise<StoredHappening[]> {
    assertKinds(filter.kinds ?? [])
    if (ctx.isAdmin && projectId === undefined) return historyList(this.#parts.db, filter, limit)
    const projectIds = await this.#board.idsBelow(ctx, projectId ?? ctx.projectId)
    const found = await historyList(this.#parts.db, { ...filter, projectIds }, limit)
    if (ctx.isAdmin) return found
    const seen = projectId === undefined ? projectIds : await this.#board.idsBelow(ctx, ctx.projectId)
    return found.map((one) => discreet(one, new Set(seen)))
  }
}

const assertKinds = (kinds: readonly string[]): void => {
  const known: readonly string[] = happeningKinds
  const unknown = kinds.find((kind) => !known.includes(kind))
  if (unknown === undefined) return
  throw badRequest(`Nothing of the kind "${unknown}" happens here. Kinds: ${known.join(', ')}.`, { field: 'kind' })
}

/** Without the names of projects that the caller may not see. */
const discreet = (happening: StoredHappening, seen: ReadonlySet<string>): StoredHappening => ({
  ...happening,
  details: Object.fromEntries(
    Object.entries(happening.details).map(([key, value]) => [
      key,
      foreignKeys.includes(key) && !seen.has(String(value)) ? 'another' : value,
    ]),
  ),
})
