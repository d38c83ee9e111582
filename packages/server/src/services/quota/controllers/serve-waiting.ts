/** Serves those who wait when something else than a release makes room, and gives up who is out of time. */
import { defineController } from '#platform/controllers/controller.ts'
import type { QuotaFront } from '../manager/front.ts'
import type { QuotaParts } from '../manager/parts.ts'

/** Far more trees than have somebody who waits. */
const rootsMax = 10_000

export const serveWaiting = (parts: QuotaParts, { waitingLine }: QuotaFront) => {
  const round = new Round()
  return defineController<string[], string>({
    name: 'quota.serve-waiting',
    about: 'Grants requests that wait as capacity returns, in fair order, and gives up those out of time',
    wakesOn: ['quota.limits.changed', 'quota.project.forgotten', 'quota.reclaim.gathered'],
    everySeconds: 5,
    perPass: 50,
    observe: async (limit) => round.rest(await waitingLine.roots(rootsMax)).slice(0, limit),
    plan: (roots) => roots,
    key: (root) => root,
    act: (root) => {
      round.pass(root)
      return parts.db.transaction((tx) => waitingLine.look(tx, root))
    },
  })
}

/** Who still waits when its tree has been served is no reason to serve that one again before all the others. */
class Round {
  readonly #passed = new Set<string>()

  /** Those whose turn is in this round; all, when it is over. */
  rest(roots: readonly string[]): readonly string[] {
    const rest = roots.filter((root) => !this.#passed.has(root))
    if (rest.length > 0) return rest
    this.#passed.clear()
    return roots
  }

  pass(root: string): void {
    this.#passed.add(root)
  }
}
