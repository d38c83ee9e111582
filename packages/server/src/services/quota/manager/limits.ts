/** Limits: read as clients expect them, set by the rules of the tree, and usage in all its parts. */
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import { fromWire, toWire } from '#engines/quota/amounts.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import { deleteHardLimit, hardLimitOf, setHardLimit } from '#engines/quota/kilo.ts'
import type { Project } from '#engines/quota/tree.ts'
import type { ResourceLimit, ResourceUsage, SetLimitsRequest } from '../facade.ts'
import { holdingDelete, holdingsOf, holdingWrite, projectFetch, rootsList } from '../store/projects.ts'
import { resourcesList } from '../store/resources.ts'
import { unifiedLimitsList } from '../store/unified-limits.ts'
import type { HoldingRow, ResourceRow } from '../store/tables.ts'
import { childLimitOf, holdingIn, growFrom, growTree, growLocked, writeTree } from './grown-tree.ts'
import { usageOf } from './balances.ts'
import { termsOf } from './board-rows.ts'
import type { QuotaParts } from './parts.ts'
import { storedUsage } from './stored-usage.ts'
import type { KnownProjects } from './projects.ts'
import { inWords, unknownResource } from './refusing.ts'
import { assertFree } from './unified-limits/guard.ts'

export class Limits {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects

  constructor(parts: QuotaParts, projects: KnownProjects) {
    this.#parts = parts
    this.#projects = projects
  }

  async limits(projectId: string, executor: Executor = this.#parts.db): Promise<Record<string, number>> {
    const isRoot = await this.#projects.isRoot(executor, projectId)
    return limitsBy(await resourcesList(executor), await holdingsOf(executor, [projectId]), isRoot)
  }

  /** The same of many roots. */
  async limitsOfRoots(rootIds: readonly string[]): Promise<Map<string, Record<string, number>>> {
    const { db } = this.#parts,
      resources = await resourcesList(db)
    const set = Map.groupBy(await holdingsOf(db, rootIds), (row) => row.project_id)
    return new Map(rootIds.map((id) => [id, limitsBy(resources, set.get(id) ?? [], true)]))
  }

  async usage(projectId: string): Promise<Record<string, ResourceUsage>> {
    const { db } = this.#parts,
      known = await projectFetch(db, projectId),
      stored = known && (await storedUsage(db, known))
    if (stored) return stored
    const engine = await this.engineFor(db, projectId),
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
      const shown = await this.limits(projectId, tx)
      const moved = Object.keys(limits).filter((name) => limits[name] !== shown[name] && movesLimit(limits[name]!))
      await assertFree(tx, projectId, moved)
      await this.changeIn(tx, projectId, work, { by })
    })
  }

  #setOne(engine: QuotaEngine, projectId: string, name: string, limit: number | ResourceLimit, force: boolean): void {
    const { tree } = engine,
      resource = tree.resourceNumber(name)
    if (resource === undefined) throw unknownResource(name)
    if (typeof limit === 'number') {
      assertNumbers(name, { limit })
      return setHardLimit(tree, projectId, resource, limit, force)
    }
    const { self, ...rest } = limit
    tree.configure(projectId, resource, changeOf(name, rest), { force })
    if (self) tree.configureSelf(projectId, resource, changeOf(name, self))
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
    const { id, rootId } = await this.#projects.ensure(tx, projectId)
    if (id !== projectId) throw notFound(`Project ${projectId} could not be found.`)
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

const limitsBy = (
  resources: readonly ResourceRow[],
  rows: readonly HoldingRow[],
  isRoot: boolean,
): Record<string, number> => {
  const set = new Map(rows.map((row) => [row.resource, row]))
  const place = { parentId: isRoot ? null : '' }
  return Object.fromEntries(
    resources.map((resource) => [
      resource.name,
      hardLimitOf(holdingIn(place, resource, set.get(resource.name)), isRoot),
    ]),
  )
}

const assertNumbers = (name: string, fields: object): void => {
  for (const [field, value] of Object.entries(fields)) {
    if (value === null || value === undefined || (Number.isSafeInteger(value) && value >= -1)) continue
    throw badRequest(`${field} of ${name} must be -1 or a whole number of 0 or more.`, {
      field: name,
      reason: 'BAD_SETTING',
    })
  }
}

/** As the engine takes it: what is absent stays, and a ceiling may go. */
const changeOf = (name: string, fields: Omit<ResourceLimit, 'self'>) => {
  assertNumbers(name, fields)
  const numbers = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)
  const change = Object.fromEntries(numbers.map(([field, value]) => [field, fromWire(Number(value))]))
  return { ...change, ...(fields.ceiling === null && { ceiling: null }) }
}

/** Whether a setting is about how much a project may use, and not only about how it shares. */
const movesLimit = (limit: number | ResourceLimit): boolean =>
  typeof limit === 'number' || limit.own !== undefined || limit.ceiling !== undefined || limit.borrow !== undefined

type Settings = Record<string, Record<string, number | null>>

/** As people set them: −1 for no limit. */
const settingsOf = ({ tree }: QuotaEngine, projectId: string): Settings =>
  Object.fromEntries(
    tree.resources.map((name, resource) => {
      const { holdings, selfHoldings } = tree.project(projectId),
        { own, pool } = holdings[resource]!
      const self = Object.entries(termsOf(selfHoldings[resource]!)).map(([field, value]) => [`self.${field}`, value])
      const settings = { own: toWire(own), pool, ...termsOf(holdings[resource]!), ...Object.fromEntries(self) }
      return [name, settings]
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

const rowOf = ({ tree }: QuotaEngine, project: Project, name: string): HoldingRow => {
  const resource = tree.resourceNumber(name)!
  const holding = project.holdings[resource]!
  return {
    project_id: project.id,
    resource: name,
    own: toWire(holding.own),
    pool: holding.pool,
    ...termsOf(holding),
    self: toJson(termsOf(project.selfHoldings[resource]!)),
  }
}
