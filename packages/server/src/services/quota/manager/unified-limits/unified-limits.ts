/** Keystone's unified limits made true: a registered limit is a resource's default, a limit what a project may use. */
import type { Tx } from '#platform/db/database.ts'
import { fromWire, toWire, UNLIMITED } from '#engines/quota/amounts.ts'
import { exclusive } from '#engines/quota/settings.ts'
import type { Holding } from '#engines/quota/settings.ts'
import type { Project, QuotaTree } from '#engines/quota/tree.ts'
import type { UnifiedLimit } from '#services/keystone/facade.ts'
import { holdingDelete } from '../../store/projects.ts'
import { resourceFetch, resourcesList } from '../../store/resources.ts'
import {
  registeredLimitWrite,
  unifiedLimitDelete,
  unifiedLimitsList,
  unifiedLimitWrite,
} from '../../store/unified-limits.ts'
import { childDefault } from '../grown-tree.ts'
import type { Limits } from '../limits.ts'
import type { QuotaParts } from '../parts.ts'
import { resourceOf } from './words.ts'

/** What must change here for one resource, of every project (`projectId` null) or of one. `value` null: no limit. */
export interface UnifiedStep {
  projectId: string | null
  resource: string
  limitId: string
  value: number | null
}

/** A limit of Keystone and what becomes of it here. */
export interface FollowedLimit {
  id: string
  service_type: string
  region_id: string | null
  resource_name: string
  /** Null: a registered limit. */
  project_id: string | null
  value: number
  /** What it limits here; null: nothing of that name is counted (or of domains, in a flat tree): it refuses nobody. */
  resource: string | null
}

export class UnifiedLimits {
  readonly #parts: QuotaParts
  readonly #limits: Limits

  constructor(parts: QuotaParts, limits: Limits) {
    this.#parts = parts
    this.#limits = limits
  }

  /** Every limit that Keystone has of our region or of none, ours last. */
  async list(): Promise<FollowedLimit[]> {
    const { keystone, db, region } = this.#parts
    const { registered, limits } = await keystone.unifiedLimits()
    const declared = new Map((await resourcesList(db)).map(({ name, service }) => [name, service]))
    const isTwoLevel = keystone.limitModel() === 'strict_two_level'
    const row = (limit: UnifiedLimit, projectId: string | null, isDomain = false): FollowedLimit => ({
      id: limit.id,
      service_type: limit.serviceType,
      region_id: limit.regionId,
      resource_name: limit.resourceName,
      project_id: projectId,
      value: limit.value,
      resource: (isDomain && !isTwoLevel ? undefined : resourceOf(limit, declared)) ?? null,
    })
    const ofProjects = limits.map((limit) => row(limit, limit.projectId, limit.isDomain))
    return [...registered.map((limit) => row(limit, null)), ...ofProjects]
      .filter((limit) => limit.region_id === null || limit.region_id === region)
      .sort((a, b) => Number(a.region_id !== null) - Number(b.region_id !== null) || (a.id < b.id ? -1 : 1))
  }

  /** What differs between Keystone's limits and ours, defaults first. */
  async differences(): Promise<UnifiedStep[]> {
    const wanted = await this.list()
    const [defaults, projects] = [await this.#defaults(wanted), await this.#ofProjects(wanted)]
    return [...defaults, ...projects]
  }

  /** With domains as roots, whatever is counted has a default, for a domain and each of its projects. */
  async #defaults(wanted: readonly FollowedLimit[]): Promise<UnifiedStep[]> {
    const isTwoLevel = this.#parts.keystone.limitModel() === 'strict_two_level'
    const registered = new Map(wanted.filter((limit) => limit.project_id === null).map((one) => [one.resource, one]))
    return (await resourcesList(this.#parts.db)).flatMap(({ name, registered_limit: has, declared_limit }) => {
      const limit = registered.get(name)
      const value = limit?.value ?? (isTwoLevel ? declared_limit : null)
      return value === has ? [] : [{ projectId: null, resource: name, limitId: limit?.id ?? '', value }]
    })
  }

  async #ofProjects(wanted: readonly FollowedLimit[]): Promise<UnifiedStep[]> {
    const key = (projectId: string | null, resource: string | null): string => `${projectId} ${resource}`
    const followed = new Map(
      (await unifiedLimitsList(this.#parts.db)).map((row) => [key(row.project_id, row.resource), row]),
    )
    const current = new Map(
      wanted
        .filter((limit) => limit.project_id !== null && limit.resource !== null)
        .map((limit) => [key(limit.project_id, limit.resource), limit]),
    )
    const news = [...current].filter(([at, { id, value }]) => {
      const row = followed.get(at)
      return row?.value !== value || row.limit_id !== id
    })
    const gone = [...followed].filter(([at]) => !current.has(at)).map(([, row]) => row)
    return [
      ...gone.map((row) => ({ projectId: row.project_id, resource: row.resource, limitId: '', value: null })),
      ...news.map(([, one]) => ({
        projectId: one.project_id,
        resource: one.resource!,
        limitId: one.id,
        value: one.value,
      })),
    ]
  }

  /** One step, as one transaction. Idempotent; never evicts anybody, and is never refused for what is in use. */
  apply({ projectId, resource, limitId, value }: UnifiedStep): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      if (projectId === null) return this.#applyDefault(tx, resource, value)
      if (value === null) return this.#forget(tx, projectId, resource)
      await this.#hold(tx, { projectId, resource, value })
      await unifiedLimitWrite(tx, { project_id: projectId, resource, limit_id: limitId, value })
    })
  }

  async #applyDefault(tx: Tx, resource: string, value: number | null): Promise<void> {
    await registeredLimitWrite(tx, resource, value)
    await this.#limits.rewriteAll(tx)
    tx.emit('quota.defaults.changed', { resource, value })
  }

  async #hold(tx: Tx, { projectId, resource, value }: { projectId: string; resource: string; value: number }) {
    const work = ({ tree }: { tree: QuotaTree }) => {
      confine(tree, tree.project(projectId), tree.resourceNumber(resource)!, value)
      return [resource]
    }
    await this.#limits.changeIn(tx, projectId, work, { by: 'keystone' })
  }

  /** The limit is gone: what an operator set beside it stays, and all else is the default again. */
  async #forget(tx: Tx, projectId: string, resource: string): Promise<void> {
    await unifiedLimitDelete(tx, projectId, resource)
    if ((await this.#parts.keystone.projectAncestors(projectId)).length === 0) return
    const row = (await resourceFetch(tx, resource))!
    let isDefault = false
    const work = ({ tree }: { tree: QuotaTree }) => {
      const project = tree.project(projectId),
        number = tree.resourceNumber(resource)!
      if (project.parent) relax(tree, project, number, childDefault(row))
      else confine(tree, project, number, row.default_limit)
      isDefault = isUntouched(project, number, row.default_limit)
      return [resource]
    }
    await this.#limits.changeIn(tx, projectId, work, { by: 'keystone' })
    if (isDefault) await holdingDelete(tx, projectId, resource)
  }
}

/**
 * At most `value` for the whole subtree. A root owns it. A project below owns what it was given and may draw on what
 * those above have not given away, up to it. Where children hold more already, they keep it and nobody gets more.
 */
const confine = (tree: QuotaTree, project: Project, resource: number, value: number): void => {
  const before = project.holdings[resource]!,
    limit = fromWire(value)
  const keeps = project.allocated[resource]! + before.pool
  if (!project.parent && limit >= keeps) {
    return tree.restoreHolding(project.id, resource, { ...before, own: limit, ceiling: null })
  }
  const ceiling = limit === UNLIMITED ? null : limit
  const borrow = project.parent ? UNLIMITED : before.borrow
  tree.restoreHolding(project.id, resource, { ...before, borrow, ceiling })
}

/** A project below others, without a limit of its own. */
const relax = (tree: QuotaTree, project: Project, resource: number, standard: Holding): void => {
  const before = project.holdings[resource]!
  const { borrow, ceiling } = before.own > 0 ? exclusive : standard
  tree.restoreHolding(project.id, resource, { ...before, borrow: fromWire(borrow), ceiling })
}

/** Nobody set anything beside the limit that was: without its row the project has the same numbers. */
const isUntouched = ({ parent, holdings }: Project, resource: number, rootDefault: number): boolean => {
  const { own, pool, lend, weight, tier } = holdings[resource]!
  const isPlain = pool === 0 && toWire(lend) === exclusive.lend && weight === 1 && tier === 1
  return isPlain && toWire(own) === (parent ? 0 : rootDefault)
}
