/** One project's numbers from the stored ones of its path, whatever the size of its tree. */
import type { Executor } from '#platform/db/database.ts'
import { positive, toWire } from '#engines/quota/amounts.ts'
import { hardLimitOf } from '#engines/quota/kilo.ts'
import { drawsOnParent } from '#engines/quota/settings.ts'
import type { Holding } from '#engines/quota/settings.ts'
import type { ResourceUsage } from '../facade.ts'
import { cellsOnPath } from '../store/cells.ts'
import { drawnBelow, grantedBelow, holdingsOf } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { resourcesList } from '../store/resources.ts'
import type { CellRow } from '../store/tables.ts'
import { holdingIn } from './grown-tree.ts'
import { PathWalk } from './path-walk.ts'

/** Undefined: the numbers of its path are not there yet, or its leaf is another by now. */
export const storedUsage = async (
  executor: Executor,
  project: StoredProject,
): Promise<Record<string, ResourceUsage> | undefined> => {
  const { id, path, parentId } = project,
    resources = await resourcesList(executor)
  const cells = await cellsOnPath(
    executor,
    path,
    resources.map(({ name }) => name),
  )
  const leaf = new Map(cells.filter(({ node, is_leaf }) => node === path[0] && is_leaf === 1).map(byResource))
  if (leaf.size < resources.length || cells.length < path.length * resources.length) return undefined
  const set = new Map((await holdingsOf(executor, [id])).map(byResource)),
    granted = await grantedBelow(executor, id),
    drawing = resources.filter((resource) => drawsOnParent(holdingIn({ parentId: id }, resource))),
    drawn = await drawnBelow(executor, id, drawing.map(({ name }) => name)),
    walk = new PathWalk(path, cells)
  return Object.fromEntries(
    resources.map((resource) => {
      const { name } = resource,
        holding = holdingIn(project, resource, set.get(name)),
        given = { allocated: granted.get(name) ?? 0, drawn: drawn.get(name) ?? 0 },
        now = { ...given, cell: leaf.get(name)!, available: walk.available(name) }
      return [name, numbersOf(holding, parentId === null, now)]
    }),
  )
}

const byResource = <Row extends { resource: string }>(row: Row): [string, Row] => [row.resource, row]

const numbersOf = (
  holding: Holding,
  isRoot: boolean,
  { cell, allocated, drawn, available }: { cell: CellRow; allocated: number; drawn: number; available: number },
): ResourceUsage => {
  const unused = holding.own - cell.counted - allocated,
    drawing = Math.min(drawn, positive(unused))
  return {
    limit: hardLimitOf(holding, isRoot),
    inUse: cell.counted - cell.reserved,
    reserved: cell.reserved,
    allocated: allocated + drawing,
    free: toWire(unused - drawing),
    owned: toWire(holding.own),
    pool: holding.pool,
    available: toWire(available),
  }
}
