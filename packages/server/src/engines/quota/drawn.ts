/** Kilo's children of −1: how much of what a project has not given away they use. */
import { positive } from './amounts.ts'
import type { Ledger } from './ledger.ts'
import { drawsOnParent } from './settings.ts'
import type { Holding } from './settings.ts'
import type { Project } from './tree.ts'

/** At most the `unused` rest: beyond it they use what their siblings or those above lend. `except` is not counted. */
export const drawnFrom = (
  ledger: Ledger,
  { children, drawing }: Project,
  resource: number,
  { unused, except }: { unused: number; except?: Project },
): number => {
  if (drawing[resource] === 0) return 0
  let used = 0
  for (const child of children) {
    if (child !== except && drawsOnParent(child.holdings[resource]!)) used += ledger.subtree(child.node, resource)
  }
  return Math.min(used, positive(unused))
}

/** How many more children draw when one's holding changes. */
export const drawingMore = (before: Holding, after: Holding): number =>
  Number(drawsOnParent(after)) - Number(drawsOnParent(before))
