/** Kilo's nested quota on the tree: hard limits with −1, deleting a quota, and who may see whose. */
import { fromWire, toWire, UNLIMITED } from './amounts.ts'
import { RuleBroken } from './rules.ts'
import { capOf, drawsOnParent, exclusive } from './settings.ts'
import type { Holding } from './settings.ts'
import type { Project, QuotaTree } from './tree.ts'

/** What clients read as the limit, −1 for none: a root's own, else the most that the project could come to use. */
export const hardLimitOf = (holding: Holding, isRoot: boolean): number =>
  toWire(isRoot ? Math.min(holding.own, holding.ceiling ?? UNLIMITED) : capOf(holding))

/**
 * Sets `hard_limit` so that it is read back as it was set; the present one changes nothing. A root owns its limit
 * (−1: without bounds), and so does a child that neither borrows nor has a ceiling, or had −1 where nothing is shared.
 * Any other child may come to use it.
 */
export const setHardLimit = (tree: QuotaTree, id: string, resource: number, limit: number, force = false): void => {
  const project = tree.project(id),
    holding = project.holdings[resource]!
  if (limit === hardLimitOf(holding, project.parent === null)) return
  if (!project.parent) return tree.configure(id, resource, { own: fromWire(limit), ceiling: null }, { force })
  const isExclusive = holding.borrow === 0 && holding.ceiling === null,
    isDrawing = drawsOnParent(holding) && holding.ceiling === null && project.parent.holdings[resource]!.pool === 0
  if (limit === -1) {
    return isExclusive
      ? drawOnParent(tree, project, resource)
      : tree.configure(id, resource, { borrow: UNLIMITED, ceiling: null })
  }
  if (isExclusive || isDrawing) return tree.configure(id, resource, { own: limit, borrow: 0 }, { force })
  setCap(tree, project, { resource, limit, force })
}

/** A child's −1 draws on what its parent has not given away: it owns nothing and may borrow without limit. */
const drawOnParent = (tree: QuotaTree, project: Project, resource: number): void => {
  if (project.allocated[resource]! > 0) refuseAllocated(tree, project, resource)
  tree.configure(project.id, resource, { ...exclusive, borrow: UNLIMITED }, { force: true })
}

interface Cap {
  resource: number
  limit: number
  force: boolean
}

/**
 * Of a child that borrows: where its borrowing is limited, it owns the rest of its limit. Without a limit, or below a
 * ceiling of its own, the limit is the ceiling, and what it owns shrinks with it and does not grow.
 */
const setCap = (tree: QuotaTree, project: Project, cap: Cap): void => {
  const { limit, resource, force } = cap
  const { own, borrow, ceiling, pool } = project.holdings[resource]!
  refuseBelowUse(tree, project, cap)
  const ownsTheRest = borrow !== UNLIMITED && (ceiling === null || limit > own + borrow)
  if (!ownsTheRest)
    return tree.configure(project.id, resource, { own: Math.min(own, limit), ceiling: limit }, { force: true })
  const rest = Math.max(limit - borrow, pool + project.allocated[resource]!)
  const { max } = tree.ownRange(project, resource, { force })
  if (rest > own && rest > max) refuseRange(tree, project, cap, { max: max + borrow })
  tree.configure(project.id, resource, { own: rest, borrow: limit - rest, ceiling: null }, { force: true })
}

/** What children hold is never taken; what is in use below it, only by force. */
const refuseBelowUse = (tree: QuotaTree, project: Project, cap: Cap): void => {
  const { resource, limit, force } = cap,
    { pool } = project.holdings[resource]!,
    { allocated, used, reserved } = tree.numbers(project, resource)
  const inUse = Math.max(allocated + used + reserved, tree.ledger.subtree(project.node, resource))
  const min = Math.max(pool + allocated, force ? 0 : inUse)
  if (limit < capOf(project.holdings[resource]!) && limit < min) refuseRange(tree, project, cap, { min })
}

/** In the client's terms: the bounds are those of the limit, whatever it is made of. */
const refuseRange = (
  tree: QuotaTree,
  project: Project,
  { resource, limit }: Cap,
  bounds: { min: number } | { max: number },
): never => {
  const name = tree.resources[resource]!,
    details = { project: project.id, resource: name, asked: limit, ...bounds }
  if ('min' in bounds)
    throw new RuleBroken('BELOW_USE', `${name} of ${project.id} must be at least ${bounds.min}.`, details)
  throw new RuleBroken('ABOVE_PARENT', `${name} of ${project.id} must be at most ${bounds.max}.`, details)
}

/** The limit returns to the parent; what is used stays and is a debt. A root gets `rootDefault`. */
export const deleteHardLimit = (tree: QuotaTree, id: string, resource: number, rootDefault = 0): void => {
  const project = tree.project(id)
  if (project.allocated[resource]! > 0) refuseAllocated(tree, project, resource)
  tree.configure(id, resource, { ...exclusive, own: project.parent ? 0 : rootDefault }, { force: true })
}

const refuseAllocated = (tree: QuotaTree, project: Project, resource: number): never => {
  const allocated = project.allocated[resource]!,
    name = tree.resources[resource]!
  throw new RuleBroken(
    'HAS_ALLOCATED',
    `Child projects of ${project.id} still hold ${allocated} ${name}; take it back from them first.`,
    {
      project: project.id,
      resource: name,
      min: allocated,
    },
  )
}

/** A project sees itself and everything below it; never its parent, siblings or cousins. */
export const maySee = (tree: QuotaTree, actor: string, target: string): boolean => {
  for (let project: Project | null = tree.project(target); project; project = project.parent) {
    if (project.id === actor) return true
  }
  return false
}
