/** Which projects quota knows: learnt from Keystone when they first matter, forgotten when they are gone. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { claimDelete, claimsHandOver, claimsOfProject } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { forgottenDelete, forgottenWrite, heirOf } from '../store/forgotten.ts'
import { projectsPlaced } from '../store/moves.ts'
import { projectDelete, projectFetch, projectInsert, projectsOfRoot } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { treeLock } from '../store/tree-locks.ts'
import { waitingForget } from '../store/waiting.ts'
import { totalOf } from './amounts-asked.ts'
import { growLocked, growTree, writeTree } from './grown-tree.ts'
import { isHold } from './history.ts'
import { isOutside } from './outside-claims.ts'
import type { QuotaParts } from './parts.ts'
import { endTicket } from './reclaim.ts'

export class KnownProjects {
  readonly #parts: QuotaParts
  constructor(parts: QuotaParts) {
    this.#parts = parts
  }

  /** The project, entered now with its ancestors if it is new; of one that is gone, where what it left counts. */
  async ensure(tx: Tx, id: string): Promise<StoredProject> {
    const known = await projectFetch(tx, id)
    if (known) return known
    const heir = await heirOf(tx, id)
    if (heir !== undefined && !(await this.#lives(id))) return this.ensure(tx, heir)
    const above = await this.lineage(id)
    for (const [index, project] of above.entries()) await this.enter(tx, project, above[index - 1] ?? null)
    return (await projectFetch(tx, id))!
  }

  /**
   * From its root down. Domains are part of the tree where Keystone's limits know them as its first level; a project
   * that Keystone does not know stands alone.
   */
  async lineage(id: string): Promise<string[]> {
    const { keystone } = this.#parts
    const withDomains = keystone.limitModel() === 'strict_two_level'
    const ancestors = await keystone.projectAncestors(id)
    const projects = ancestors.filter((project) => withDomains || !project.isDomain).map((project) => project.id)
    return projects.length > 0 ? projects.reverse() : [id]
  }

  /** Where what is a project's counts: the project, as long as there is one, else its heir, else nowhere. */
  async placeOf(executor: Executor, id: string): Promise<string | undefined> {
    const isHere = (await projectFetch(executor, id)) !== undefined || (await this.#lives(id))
    return isHere ? id : heirOf(executor, id)
  }

  async #lives(id: string): Promise<boolean> {
    return (await this.#parts.keystone.projectAncestors(id)).length > 0
  }

  async enter(tx: Tx, id: string, parentId: string | null): Promise<void> {
    if (await projectFetch(tx, id)) return
    await forgottenDelete(tx, id)
    const parent = parentId === null ? undefined : await this.ensure(tx, parentId)
    const rootId = parent?.rootId ?? id
    const path = [id, ...(parent ? aboveSelf(parent) : [])]
    await projectInsert(tx, { id, parentId: parent?.id ?? null, rootId, path, policy: {} })
    if (parent) await writeTree(tx, rootId, await growLocked(tx, rootId))
  }

  /** Whether a project is, or would be, a root. Writes nothing. */
  async isRoot(executor: Executor, id: string): Promise<boolean> {
    const known = await projectFetch(executor, id)
    return known ? known.parentId === null : (await this.lineage(id)).length === 1
  }

  /**
   * Its quota is its parent's, and so is what still runs, beyond its limit if need be, until it ends; what a root held
   * is free. A project with children goes when they have gone.
   */
  async forget(tx: Tx, id: string): Promise<void> {
    const project = await projectFetch(tx, id)
    if (!project) return
    const { rootId, parentId } = project
    await treeLock(tx, rootId)
    if ((await projectsOfRoot(tx, rootId)).some((other) => other.parentId === id)) return
    await waitingForget(tx, id)
    await endTicket(this.#parts, tx, id)
    const left = await this.#leave(tx, id, parentId)
    const engine = await growTree(tx, rootId)
    engine.removeProject(id)
    await projectDelete(tx, id)
    await writeTree(tx, rootId, engine)
    await this.#tellOfEnd(tx, project, left)
  }

  /** What rows stand for goes to the heir; holds and claims from outside end with their project. */
  async #leave(tx: Tx, id: string, heirId: string | null): Promise<StoredClaim[]> {
    const claims = await claimsOfProject(tx, id)
    const left = claims.filter(({ subject }) => heirId !== null && !isHold(subject) && !isOutside(subject))
    for (const claim of claims) if (!left.includes(claim)) await claimDelete(tx, claim.subject)
    if (heirId !== null) await claimsHandOver(tx, id, heirId)
    await forgottenWrite(tx, id, heirId)
    return left
  }

  async #tellOfEnd(tx: Tx, { id, parentId }: StoredProject, left: readonly StoredClaim[]): Promise<void> {
    const { history } = this.#parts,
      amounts = totalOf(left)
    await history.tell(tx, { kind: 'forgotten', projectId: id, amounts, details: { parentId } })
    if (parentId === null || left.length === 0) return
    const details = { of: id, claims: left.length }
    await history.tell(tx, { kind: 'inherited', projectId: parentId, amounts, details })
  }

  /**
   * Known here, gone from Keystone, with nobody below: who has children goes when they have gone. What is known is read
   * first, so that nobody new is taken for gone.
   */
  async gone(): Promise<string[]> {
    const known = await projectsPlaced(this.#parts.db)
    const living = new Set((await this.#parts.keystone.projectsList()).map((project) => project.id)),
      parents = new Set(known.map(({ parentId }) => parentId))
    return known.map(({ id }) => id).filter((id) => !living.has(id) && !parents.has(id))
  }
}

/** The nodes above a new child of `parent`. */
const aboveSelf = (parent: StoredProject): string[] => parent.path.filter((node) => !node.endsWith('/self'))
