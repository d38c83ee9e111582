/** Projects that moved in Keystone, or because its model of limits was changed: trees follow, with their claims. */
import type { Tx } from '#platform/db/database.ts'
import type { Project } from '#engines/quota/tree.ts'
import { cellsForget, projectRehang, projectsPlaced } from '../store/moves.ts'
import { projectFetch } from '../store/projects.ts'
import { growLocked, writeTree } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'
import type { KnownProjects } from './projects.ts'

export interface Move {
  id: string
  parentId: string | null
}

export class Moves {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects

  constructor(parts: QuotaParts, projects: KnownProjects) {
    this.#parts = parts
    this.#projects = projects
  }

  /** Projects that hang elsewhere than Keystone says. */
  async due(): Promise<Move[]> {
    const { keystone, db } = this.#parts
    const isTwoLevel = keystone.limitModel() === 'strict_two_level'
    const known = await projectsPlaced(db)
    const all = await keystone.projectsList()
    const domains = new Set(all.filter((project) => project.isDomain).map(({ id }) => id))
    const parents = new Map(all.map(({ id, parentId }) => [id, parentId]))
    return known.flatMap(({ id, parentId: before }) => {
      const said = parents.get(id)
      if (said === undefined) return []
      const parentId = said !== null && domains.has(said) && !isTwoLevel ? null : said
      return parentId === before ? [] : [{ id, parentId }]
    })
  }

  /** Evicts nobody: what does not fit at the new place is a debt there. Idempotent. */
  move({ id, parentId }: Move): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const before = await projectFetch(tx, id)
      if (!before || before.parentId === parentId) return
      const rootId = parentId === null ? id : (await this.#projects.ensure(tx, parentId)).rootId
      await this.#rehang(tx, { id, parentId, from: before.rootId, rootId })
      const details = { from: before.parentId, to: parentId }
      await this.#parts.history.tell(tx, { kind: 'moved', projectId: id, details })
    })
  }

  async #rehang(tx: Tx, { id, parentId, from, rootId }: Move & { from: string; rootId: string }): Promise<void> {
    const engine = await growLocked(tx, from)
    const below = (one: Project): string[] => [one.id, ...[...one.children].flatMap(below)]
    await projectRehang(tx, { id, parentId, rootId, branch: below(engine.tree.project(id)) })
    // A root that moves takes its whole tree along: nothing is left under its name.
    if (from === id) await cellsForget(tx, from)
    else await writeTree(tx, from, await growLocked(tx, from))
    if (rootId !== from) await writeTree(tx, rootId, await growLocked(tx, rootId))
  }
}
