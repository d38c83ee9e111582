/** Kilo's nested quota on the tree: hard limits with −1, deleting a quota, and who may see whose. */
import { fromWire, UNLIMITED } from './amounts.ts'
import { RuleBroken } from './rules.ts'
import { exclusive } from './settings.ts'
import type { Project, QuotaTree } from './tree.ts'

/**
 * Sets `hard_limit`. A root's −1 is unlimited; a child's −1 draws on what its parent has not given away, with all other
 * such children: it owns nothing and may borrow without limit.
 */
export const setHardLimit = (tree: QuotaTree, id: string, resource: number, limit: number, force = false): void => {
  const project = tree.project(id)
  if (!project.parent || limit !== -1) {
    const wasDrawing = project.parent !== null && drawsOnParent(project, resource)
    tree.configure(id, resource, { own: fromWire(limit), ...(wasDrawing ? { borrow: 0 } : {}) }, { force })
    return
  }
  if (project.allocated[resource]! > 0) refuseAllocated(tree, project, resource)
  tree.configure(id, resource, { ...exclusive, borrow: UNLIMITED }, { force: true })
}

export const drawsOnParent = (project: Project, resource: number): boolean => {
  const { own, borrow } = project.holdings[resource]!
  return own === 0 && borrow === UNLIMITED
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
