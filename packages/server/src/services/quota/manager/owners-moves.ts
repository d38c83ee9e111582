/** Projects that moved in Keystone, or because its model of limits was changed: trees follow, with their claims. */
import type { Tx } from '#platform/db/database.ts'
import { claimDelete, claimsNoticed } from '../store/claims.ts'
import { ticketDelete } from '../store/tickets.ts'
import { treeLock } from '../store/tree-locks.ts'
import { cellsForget, projectPlace, projectsPlaced } from '../store/moves.ts'
import { projectFetch, projectsOfRoot } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { debtorOf, growTree, holdSubject, writeTree } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'
import type { KnownProjects } from './projects.ts'
import { spareClaim } from './reclaim.ts'

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
      await this.#rehang(tx, before, parentId === null ? undefined : await this.#projects.ensure(tx, parentId))
      const details = { from: before.parentId, to: parentId }
      await this.#parts.history.tell(tx, { kind: 'moved', projectId: id, details })
    })
  }

  async #rehang(tx: Tx, project: StoredProject, parent: StoredProject | undefined): Promise<void> {
    const { id, rootId: from } = project,
      to = parent?.rootId ?? id
    for (const rootId of [from, to].sort()) await treeLock(tx, rootId)
    const above = parent ? parent.path.filter((node) => !node.endsWith('/self')) : []
    const moved = (await projectsOfRoot(tx, from)).filter(({ path }) => path.includes(id))
    for (const one of moved) {
      const at = one.path.indexOf(id)
      const path = [...one.path.slice(0, at + 1), ...above]
      await projectPlace(tx, {
        id: one.id,
        parentId: one.id === id ? (parent?.id ?? null) : one.parentId,
        rootId: to,
        path,
      })
    }
    // A root that moves takes its whole tree along: nothing is left under its name.
    if (from === id) await cellsForget(tx, from)
    else {
      if (to !== from) await this.#cut(tx, new Set(moved.map((one) => one.id)))
      await writeTree(tx, from, await growTree(tx, from))
    }
    if (to !== from) await writeTree(tx, to, await growTree(tx, to))
  }

  /** Who leaves a tree takes nothing back from it any more, nor along; and owes it nothing. */
  async #cut(tx: Tx, moved: ReadonlySet<string>): Promise<void> {
    for (const id of moved) {
      await claimDelete(tx, holdSubject(id))
      await ticketDelete(tx, id)
    }
    for (const claim of await claimsNoticed(tx)) {
      const asking = debtorOf(claim.ticket!) ?? claim.ticket!
      if (moved.has(asking) || moved.has(claim.projectId)) await spareClaim(this.#parts, tx, claim)
    }
  }
}
