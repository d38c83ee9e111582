/** One project's numbers from the stored ones of its path, whatever the size of its tree. */
import type { Executor } from '#platform/db/database.ts'
import { toWire } from '#engines/quota/amounts.ts'
import { hardLimitOf } from '#engines/quota/kilo.ts'
import type { Holding } from '#engines/quota/settings.ts'
import type { ResourceUsage } from '../facade.ts'
import { cellsOnPath } from '../store/cells.ts'
import { grantedBelow, holdingsOf } from '../store/projects.ts'
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
    walk = new PathWalk(path, cells)
  return Object.fromEntries(
    resources.map((resource) => {
      const { name } = resource,
        holding = holdingIn(project, resource, set.get(name)),
        now = { cell: leaf.get(name)!, allocated: granted.get(name) ?? 0, available: walk.available(name) }
      return [name, numbersOf(holding, parentId === null, now)]
    }),
  )
}

const byResource = <Row extends { resource: string }>(row: Row): [string, Row] => [row.resource, row]

const numbersOf = (
  holding: Holding,
  isRoot: boolean,
  { cell, allocated, available }: { cell: CellRow; allocated: number; available: number },
): ResourceUsage => ({
  limit: hardLimitOf(holding, isRoot),
  inUse: cell.counted - cell.reserved,
  reserved: cell.reserved,
  allocated,
  free: toWire(holding.own - cell.counted - allocated),
  owned: toWire(holding.own),
  pool: holding.pool,
  available: toWire(available),
})
