/** Limits of projects and domains that differ from the default, checked against the tree as the chosen model wants. */
import { forbidden } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { limits, projects, registeredLimits } from '../store/entity-store.ts'
import { subtreeOf } from '../store/project-tree.ts'
import type { Limit } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found, invalid, taken } from './refusals.ts'
import { refuseUnknownPlaces } from './registered-limits.ts'

export interface NewLimit {
  service_id: string
  region_id?: string | null
  resource_name: string
  resource_limit: number
  project_id?: string | null
  domain_id?: string | null
  description?: string | null
}

export interface LimitMatch {
  service_id?: string
  region_id?: string
  resource_name?: string
  project_id?: string
  domain_id?: string
}

const descriptions = {
  flat: 'Limit enforcement and validation does not take project hierarchy into consideration.',
  strict_two_level: 'This model requires project hierarchy never exceeds a depth of two',
}

type Draft = Omit<Limit, 'registered_limit_id'>

export class Limits {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  model(): { name: string; description: string } {
    const name = this.#ground.settings.limitModel
    return { name, description: descriptions[name] }
  }

  /**
   * The model fits the projects that there are.
   *
   * @throws Error naming the projects that are too deep, for the operator: the cloud must not start so.
   */
  async assertTreeFits(): Promise<void> {
    if (this.#ground.settings.limitModel === 'flat') return
    const all = await projects.list(this.#db)
    const domains = new Set(all.filter((project) => project.is_domain).map(({ id }) => id))
    const tooDeep = all.filter((project) => !project.is_domain && !domains.has(project.parent_id ?? ''))
    if (tooDeep.length === 0) return
    const named = tooDeep.slice(0, 10).map(({ id }) => id).join(', ')
    throw new Error(`keystone.limitModel strict_two_level allows domains and projects directly below them, but `
      + `${tooDeep.length} projects are deeper (${named}). Delete them, or set keystone.limitModel to flat.`)
  }

  async fetch(id: string, db: Executor = this.#db): Promise<Limit> { return found(
    await limits.fetch(db, id), 'limit for', id,
  ) }
  find(id: string): Promise<Limit | undefined> { return limits.fetch(this.#db, id) }
  list(match: LimitMatch = {}): Promise<Limit[]> { return limits.list(this.#db, match) }

  /** Checked as one: a parent's new limit counts for its children in the same request. All or none. */
  async create(wanted: NewLimit[]): Promise<Limit[]> {
    const ids = wanted.map(() => hexId())
    return await this.#db.transaction(async (tx) => {
      const drafts: Draft[] = []
      for (const [at, one] of wanted.entries()) drafts.push(await draftOf(tx, one, ids[at]!))
      for (const draft of drafts) await this.#refuseMisfit(tx, draft, drafts)
      const rows: Limit[] = []
      for (const draft of drafts) rows.push(await insertLimit(tx, draft))
      tx.emit('keystone.limits.changed', {})
      return rows
    })
  }

  async update(id: string, changes: { resource_limit?: number; description?: string | null }): Promise<Limit> {
    return await this.#db.transaction(async (tx) => {
      const after: Limit = { ...await this.fetch(id, tx), ...changes }
      await this.#refuseMisfit(tx, after, [after])
      await limits.update(tx, id, after)
      tx.emit('keystone.limits.changed', {})
      return after
    })
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetch(id, tx)
      await limits.remove(tx, id)
      tx.emit('keystone.limits.changed', {})
    })
  }

  async #refuseMisfit(tx: Tx, draft: Draft, together: Draft[]): Promise<void> {
    if (this.#ground.settings.limitModel === 'flat') return
    const misfit = draft.project_id === null
      ? await this.#belowChild(tx, draft, together) : await this.#aboveParent(tx, draft, together)
    if (misfit === undefined) return
    const level = draft.project_id === null ? `domain_id: ${draft.domain_id}` : `project_id: ${draft.project_id}`
    throw forbidden(
      `Invalid resource limit: The resource limit (${level}, resource_name: ${draft.resource_name},`
        + ` resource_limit: ${draft.resource_limit}, service_id: ${draft.service_id},`
        + ` region_id: ${draft.region_id ?? 'None'})`
        + ` doesn't satisfy current hierarchy model: ${misfit}.`
    )
  }

  /** A project of no limit (-1) is bounded with its domain, so it fits below any. */
  async #aboveParent(tx: Tx, draft: Draft, together: Draft[]): Promise<string | undefined> {
    const parentId = (await projects.fetch(tx, draft.project_id!))?.parent_id ?? ''
    const limit = await this.#limitAt(tx, draft, { domain_id: parentId, project_id: null }, together)
      ?? (await registeredLimits.find(tx, resourceOf(draft)))?.default_limit
    const fits = limit === undefined || limit < 0 || draft.resource_limit <= limit
    return fits ? undefined : `the domain ${parentId} has ${limit}`
  }

  async #belowChild(tx: Tx, draft: Draft, together: Draft[]): Promise<string | undefined> {
    for (const child of await subtreeOf(tx, draft.domain_id!)) {
      const limit = await this.#limitAt(tx, draft, { project_id: child.id, domain_id: null }, together)
      if (limit !== undefined && draft.resource_limit >= 0 && limit > draft.resource_limit) {
        return `its project ${child.id} has ${limit}`
      }
    }
    return undefined
  }

  async #limitAt(
    tx: Tx, draft: Draft, place: { project_id: string | null; domain_id: string | null }, together: Draft[],
  ): Promise<number | undefined> {
    const wanted = { ...resourceOf(draft), ...place }
    const sameRequest = together.find((one) => Object.entries(wanted).every(
      ([key, value]) => one[key as keyof Draft] === value
    ))
    return (sameRequest ?? await limits.find(tx, wanted))?.resource_limit
  }
}

const resourceOf = ({ service_id, region_id, resource_name }: Draft) => ({ service_id, region_id, resource_name })

/** A limit "of the project" that is a domain is the domain's. */
const draftOf = async (tx: Tx, wanted: NewLimit, id: string): Promise<Draft> => {
  const target = await projects.fetch(tx, wanted.project_id ?? wanted.domain_id ?? '')
  if (wanted.project_id && !target) throw invalid(`Could not find project: ${wanted.project_id}.`, 'project_id')
  if (!wanted.project_id && !target?.is_domain) {
    throw invalid(
      `Could not find domain: ${wanted.domain_id}.`, 'domain_id',
    )
  }
  const draft: Draft = {
    id, service_id: wanted.service_id, region_id: wanted.region_id ?? null, resource_name: wanted.resource_name,
    resource_limit: wanted.resource_limit, description: wanted.description ?? null,
    project_id: target!.is_domain ? null : target!.id, domain_id: target!.is_domain ? target!.id : null,
  }
  await refuseUnknownPlaces(tx, draft)
  return draft
}

const insertLimit = async (tx: Tx, draft: Draft): Promise<Limit> => {
  const registered = await registeredLimits.find(tx, resourceOf(draft))
  if (!registered) throw forbidden('Unable to create a limit that has no corresponding registered limit.')
  if (await limits.find(tx, {
    ...resourceOf(draft), project_id: draft.project_id, domain_id: draft.domain_id,
  })) throw taken('limit', 'Duplicate entry')
  const row: Limit = { ...draft, registered_limit_id: registered.id }
  await limits.insert(tx, row)
  return row
}
