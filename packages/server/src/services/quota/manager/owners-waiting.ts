/** What people see of the requests that stand in line: their own projects', and what is below them. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { WaitingAsk } from '../facade.ts'
import type { Board } from './board.ts'
import type { QuotaParts } from './parts.ts'
import type { Waiting } from './waiting.ts'

export class WaitingBoard {
  readonly #parts: Pick<QuotaParts, 'db'>
  readonly #board: Board
  readonly #line: Pick<Waiting, 'line'>

  constructor(parts: Pick<QuotaParts, 'db'>, board: Board, line: Pick<Waiting, 'line'>) {
    this.#parts = parts
    this.#board = board
    this.#line = line
  }

  /** In the order in which they are served; positions count everybody who waits in the tree. */
  async list(ctx: RequestContext, projectId: string): Promise<WaitingAsk[]> {
    const seen = new Set(await this.#board.idsBelow(ctx, projectId))
    return (await this.#line.line(this.#parts.db, projectId, { whole: true })).filter((asked) =>
      seen.has(asked.projectId),
    )
  }
}
