/** Limits: read as clients expect them, set by the rules of the tree, and usage in all its parts. */
import { badRequest } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import { fromWire, toWire, UNLIMITED } from '#engines/quota/amounts.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import { deleteHardLimit, setHardLimit } from '#engines/quota/kilo.ts'
import { loansOf } from '#engines/quota/loans.ts'
import { capOf } from '#engines/quota/settings.ts'
import type { Holding } from '#engines/quota/settings.ts'
import type { Project } from '#engines/quota/tree.ts'
import type { ResourceLimit, ResourceUsage, SetLimitsRequest } from '../facade.ts'
import { holdingDelete, holdingsOf, holdingWrite, projectFetch, rootsList } from '../store/projects.ts'
import { resourcesList } from '../store/resources.ts'
import { unifiedLimitsList } from '../store/unified-limits.ts'
import type { HoldingRow, ResourceRow } from '../store/tables.ts'
import { childLimitOf, growFrom, growTree, growLocked, writeTree } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'
import type { KnownProjects } from './projects.ts'
import { inWords, unknownResource } from './refusing.ts'
import { assertFree } from './unified-limits-guard.ts'

export class Limits {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects

  constructor(parts: QuotaParts, projects: KnownProjects) {
    this.#parts = parts
    this.#projects = projects
  }

  async limits(projectId: string): Promise<Record<string, number>> {
    const { db } = this.#parts
    const isRoot = await this.#projects.isRoot(db, projectId)
    const set = new Map((await holdingsOf(db, [projectId])).map((row) => [row.resource, row]))
    const resources = await resourcesList(db)
    return Object.fromEntries(
      resources.map((resource) => {
        const row = set.get(resource.name)
        return [resource.name, row ? shownLimit(holdingOf(row), isRoot) : defaultLimitOf(resource, isRoot)]
      }),
    )
  }

  async usage(projectId: string): Promise<Record<string, ResourceUsage>> {
    const engine = await this.engineFor(this.#parts.db, projectId),
      project = engine.tree.project(projectId)
    return Object.fromEntries(
      engine.tree.resources.map((name, resource) => [name, usageOf(engine, project, resource)]),
    )
  }

  /** The tree that a project is in. Of one that quota has never met: the tree it would be. */
  async engineFor(executor: Executor, projectId: string): Promise<QuotaEngine> {
    const known = await projectFetch(executor, projectId)
    if (known) return growTree(executor, known.rootId)
    const isRoot = await this.#projects.isRoot(executor, projectId)
    const stranger = { id: projectId, parentId: null, rootId: projectId, path: [projectId], policy: {} }
    const resources = await resourcesList(executor)
    return growFrom({
      resources: resources.map((row) => ({ ...row, default_limit: defaultLimitOf(row, isRoot) })),
      projects: [stranger],
      holdings: [],
      claims: [],
      tickets: [],
    })
  }

  set({ projectId, limits, force = false, by }: SetLimitsRequest): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const uncounted = new Set((await resourcesList(tx)).filter((row) => row.counted === 0).map(({ name }) => name))
      const work = (engine: QuotaEngine) => {
        for (const [name, limit] of Object.entries(limits))
          this.#setOne(engine, projectId, name, uncounted.has(name) ? ownLimit(engine, projectId, limit) : limit, force)
        return Object.keys(limits)
      }
      await assertFree(
        tx,
        projectId,
        Object.keys(limits).filter((name) => movesLimit(limits[name]!)),
      )
      await this.changeIn(tx, projectId, work, { by })
    })
  }

  #setOne(engine: QuotaEngine, projectId: string, name: string, limit: number | ResourceLimit, force: boolean): void {
    const { tree } = engine,
      resource = tree.resourceNumber(name)
    if (resource === undefined) throw unknownResource(name)
    const numbers = Object.entries(typeof limit === 'number' ? { limit } : limit).filter(
      ([, value]) => value !== null && value !== undefined,
    )
    for (const [field, value] of numbers) {
      if (Number.isSafeInteger(value) && Number(value) >= -1) continue
      throw badRequest(`${field} of ${name} must be -1 or a whole number of 0 or more.`, {
        field: name,
        reason: 'BAD_SETTING',
      })
    }
    if (typeof limit === 'number') {
      // The limit that clients set is the one that they see: nothing lower stands above it any more.
      tree.configure(projectId, resource, { ceiling: null })
      return setHardLimit(tree, projectId, resource, limit, force)
    }
    const change = Object.fromEntries(numbers.map(([field, value]) => [field, fromWire(Number(value))]))
    tree.configure(projectId, resource, { ...change, ...(limit.ceiling === null && { ceiling: null }) }, { force })
  }

  reset(projectId: string, { resources, by }: { resources?: readonly string[]; by?: string } = {}): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      // A limit of Keystone is deleted there.
      const followed = new Set((await unifiedLimitsList(tx, projectId)).map((row) => row.resource))
      const work = ({ tree }: QuotaEngine) => {
        const names = (resources ?? tree.resources).filter(
          (name) => tree.resourceNumber(name) !== undefined && !followed.has(name),
        )
        for (const name of names) deleteHardLimit(tree, projectId, tree.resourceNumber(name)!)
        return names
      }
      await this.changeIn(tx, projectId, work, { kind: 'reset', by })
    })
  }

  /** Changes settings on the tree and writes down what they and all numbers are now. */
  async changeIn(
    tx: Tx,
    projectId: string,
    work: (engine: QuotaEngine) => readonly string[],
    { kind = 'set', by }: { kind?: 'set' | 'reset'; by?: string } = {},
  ): Promise<void> {
    const { rootId } = await this.#projects.ensure(tx, projectId)
    const engine = await growLocked(tx, rootId)
    const before = settingsOf(engine, projectId)
    const names = inWords(() => work(engine))
    for (const name of names) {
      if (kind === 'reset') await holdingDelete(tx, projectId, name)
      else await holdingWrite(tx, rowOf(engine, engine.tree.project(projectId), name))
    }
    // Grown again: what a reset leaves are the defaults.
    const grown = kind === 'reset' ? await growLocked(tx, rootId) : engine
    await writeTree(tx, rootId, grown)
    tx.emit('quota.limits.changed', { projectId, resources: [...names] })
    const details = changesBetween(before, settingsOf(grown, projectId))
    await this.#parts.history.tell(tx, { kind: 'settings', projectId, actor: by, details })
  }

  async rewriteAll(tx: Tx): Promise<void> {
    for (const rootId of await rootsList(tx)) await writeTree(tx, rootId, await growLocked(tx, rootId))
  }
}

const holdingOf = ({ own, pool, lend, borrow, ceiling, weight, tier }: HoldingRow): Holding => ({
  own: fromWire(own),
  pool,
  lend: fromWire(lend),
  borrow: fromWire(borrow),
  ceiling: ceiling === null ? null : fromWire(ceiling),
  weight,
  tier,
})

/** Whether a setting is about how much a project may use, and not only about how it shares. */
const movesLimit = (limit: number | ResourceLimit): boolean =>
  typeof limit === 'number' || limit.own !== undefined || limit.ceiling !== undefined || limit.borrow !== undefined

type Settings = Record<string, Record<string, number | null>>

/** As people set them: −1 for no limit. */
const settingsOf = ({ tree }: QuotaEngine, projectId: string): Settings =>
  Object.fromEntries(
    tree.resources.map((name, resource) => {
      const { ceiling, ...amounts } = tree.project(projectId).holdings[resource]!
      const shown = Object.fromEntries(Object.entries(amounts).map(([field, amount]) => [field, toWire(amount)]))
      return [name, { ...shown, ceiling: ceiling === null ? null : toWire(ceiling) }]
    }),
  )

/** `{ cores: { own: [8, 16] } }`: before and after, of what differs. */
const changesBetween = (before: Settings, after: Settings): Record<string, Record<string, unknown[]>> => {
  const entries = Object.entries(after).map(([name, settings]) => {
    const fields = Object.entries(settings).filter(([field, value]) => before[name]?.[field] !== value)
    return [
      name,
      Object.fromEntries(fields.map(([field, value]) => [field, [before[name]?.[field], value]])),
    ] as const
  })
  return Object.fromEntries(entries.filter(([, fields]) => Object.keys(fields).length > 0))
}

/** Of what is not counted a project below others needs nothing from them. */
const ownLimit = ({ tree }: QuotaEngine, projectId: string, limit: number | ResourceLimit): number | ResourceLimit =>
  typeof limit === 'number' && tree.project(projectId).parent
    ? { borrow: -1, ceiling: limit === -1 ? null : limit }
    : limit

/** What a project may have before anybody sets anything. */
export const defaultLimitOf = (resource: ResourceRow, isRoot: boolean): number =>
  isRoot ? resource.default_limit : (childLimitOf(resource) ?? 0)

/** Own in exclusive mode, else the most that the project could come to use. */
const shownLimit = (holding: Holding, isRoot: boolean): number =>
  toWire(isRoot ? Math.min(holding.own, holding.ceiling ?? UNLIMITED) : capOf(holding))

const rowOf = ({ tree }: QuotaEngine, project: Project, name: string): HoldingRow => {
  const resource = tree.resourceNumber(name)!
  const { own, pool, lend, borrow, ceiling, weight, tier } = project.holdings[resource]!,
    self = project.selfHoldings[resource]!
  return {
    project_id: project.id,
    resource: name,
    own: toWire(own),
    pool,
    lend: toWire(lend),
    borrow: toWire(borrow),
    ceiling: ceiling === null ? null : toWire(ceiling),
    weight,
    tier,
    self: toJson({
      ...self,
      lend: toWire(self.lend),
      borrow: toWire(self.borrow),
      ceiling: self.ceiling === null ? null : toWire(self.ceiling),
    }),
  }
}

export const usageOf = ({ tree }: QuotaEngine, project: Project, resource: number): ResourceUsage => {
  const { own, pool, allocated, used, reserved, free } = tree.numbers(project, resource)
  const loans = tree.roots.length > 0 && project.parent ? loansOf(tree, resource) : []
  const total = (of: (loan: (typeof loans)[number]) => boolean) =>
    loans.filter(of).reduce((sum, loan) => sum + loan.amount, 0)
  return {
    limit: shownLimit(project.holdings[resource]!, project.parent === null),
    inUse: used,
    reserved,
    allocated,
    free: toWire(free),
    owned: toWire(own),
    pool: toWire(pool),
    lent: total((loan) => loan.lender === project.id),
    borrowed: total((loan) => loan.borrower === project.id),
    available: toWire(tree.ledger.available(project.leaf, resource)),
  }
}
