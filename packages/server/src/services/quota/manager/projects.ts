/** Which projects quota knows: learnt from Keystone when they first matter, forgotten when they are gone. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { claimDelete, claimsOfProject } from '../store/claims.ts'
import { projectDelete, projectFetch, projectInsert, projectsListIds } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { waitingForget } from '../store/waiting.ts'
import { growLocked, writeTree } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'

export class KnownProjects {
  readonly #parts: QuotaParts
  constructor(parts: QuotaParts) {
    this.#parts = parts
  }

  /** The project, entered now with its ancestors if it is new. */
  async ensure(tx: Tx, id: string): Promise<StoredProject> {
    const known = await projectFetch(tx, id)
    if (known) return known
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

  async enter(tx: Tx, id: string, parentId: string | null): Promise<void> {
    if (await projectFetch(tx, id)) return
    const parent = parentId === null ? undefined : await this.ensure(tx, parentId)
    const rootId = parent?.rootId ?? id
    await projectInsert(tx, { id, parentId, rootId, path: [id, ...(parent ? aboveSelf(parent) : [])], policy: {} })
    if (parent) await writeTree(tx, rootId, await growLocked(tx, rootId))
  }

  /** Whether a project is, or would be, a root. Writes nothing. */
  async isRoot(executor: Executor, id: string): Promise<boolean> {
    const known = await projectFetch(executor, id)
    return known ? known.parentId === null : (await this.lineage(id)).length === 1
  }

  /** What it held is free, its quota its parent's. A project with children goes when they have gone. */
  async forget(tx: Tx, id: string): Promise<void> {
    const project = await projectFetch(tx, id)
    if (!project || (await this.#hasChildren(tx, id, project.rootId))) return
    await waitingForget(tx, id)
    for (const claim of await claimsOfProject(tx, id)) await claimDelete(tx, claim.subject)
    const engine = await growLocked(tx, project.rootId)
    engine.removeProject(id)
    await projectDelete(tx, id)
    await writeTree(tx, project.rootId, engine)
    await this.#parts.history.tell(tx, { kind: 'forgotten', projectId: id, details: { parentId: project.parentId } })
  }

  async #hasChildren(tx: Tx, id: string, rootId: string): Promise<boolean> {
    const engine = await growLocked(tx, rootId)
    return engine.tree.project(id).children.size > 0
  }

  /** Known here, gone from Keystone. What is known is read first, so that nobody new is taken for gone. */
  async gone(): Promise<string[]> {
    const known = await projectsListIds(this.#parts.db)
    const living = new Set((await this.#parts.keystone.projectsList()).map((project) => project.id))
    return known.filter((id) => !living.has(id))
  }
}

/** The nodes above a new child of `parent`. */
const aboveSelf = (parent: StoredProject): string[] => parent.path.filter((node) => !node.endsWith('/self'))
