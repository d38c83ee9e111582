/** The catalog: regions, services and endpoints, and what a token shows of them. */
import { forbidden } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import type { CatalogEntry } from '../facade.ts'
import {
  endpointGroups, endpoints, limits, projectEndpointGroups, projectEndpoints, regions, registeredLimits, services,
} from '../store/entity-store.ts'
import type {
  Endpoint, EndpointGroup, Extra, ProjectEndpoint, ProjectEndpointGroup, Region, Service,
} from '../store/tables.ts'
import { isInGroup } from './endpoint-filters.ts'
import type { Ground } from './ground.ts'
import { found, invalid, taken, unlessTaken } from './refusals.ts'

export interface RegionChanges { description?: string; parent_region_id?: string | null; extra?: Extra }
export interface ServiceChanges {
  type?: string
  name?: string
  enabled?: boolean
  description?: string | null
  extra?: Extra
}
export interface EndpointChanges {
  service_id?: string; region_id?: string | null; interface?: string; url?: string; enabled?: boolean; extra?: Extra
}

export interface CatalogService { id: string; type: string; name: string; endpoints: CatalogEndpoint[] }
export interface CatalogEndpoint {
  id: string
  interface: string
  url: string
  region: string | null
  region_id: string | null
}

/** What may stand in an endpoint's URL for the token's own ids. */
const substitutes = /[$%]\((\w+)\)s/g
const projectNames = new Set(['project_id', 'tenant_id'])
const knownNames = new Set([
  ...projectNames, 'user_id', 'public_bind_host', 'admin_bind_host', 'compute_host', 'public_endpoint',
  'admin_endpoint',
])

const refuseBadUrl = (url: string): void => {
  const unknown = [...url.matchAll(substitutes)].find(([, name]) => !knownNames.has(name!))
  const broken = /[$%]\((?!\w+\)s)/.test(url)
  if (unknown || broken) throw invalid(`Cannot create an endpoint with an invalid URL: ${url}.`, 'url')
}

const shownMax = 1_000

interface CatalogScope { userId: string; projectId?: string; hostUrl: string }

export class Catalog {
  readonly #ground: Ground
  #whole: Whole | undefined
  /** What callers were shown of a catalog that has not changed since; nobody writes into it. */
  readonly #shown = new WeakMap<Whole, Map<string, CatalogService[]>>()
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  /** As tokens show it: enabled services with their enabled endpoints, for the project or without one. */
  async forToken(scope: CatalogScope): Promise<CatalogService[]> {
    const whole = await this.#read()
    const known = this.#shown.get(whole) ?? new Map<string, CatalogService[]>()
    this.#shown.set(whole, known)
    const key = JSON.stringify([scope.userId, scope.projectId, scope.hostUrl])
    if (known.size >= shownMax && !known.has(key)) known.clear()
    return known.get(key) ?? known.set(key, this.#show(whole, scope)).get(key)!
  }

  #show(whole: Whole, scope: CatalogScope): CatalogService[] {
    const filter = filterOf(whole, scope.projectId)
    const shown = whole.endpoints.filter((endpoint) => endpoint.enabled && filter(endpoint))
    const byService = Map.groupBy(shown, (endpoint) => endpoint.service_id)
    return whole.services.filter((service) => service.enabled && (
      filter === everything || byService.has(service.id)
    )).map(({ id, type, name }) => ({
      id, type, name, endpoints: (byService.get(id) ?? []).flatMap((endpoint) => shownTo(endpoint, scope)),
    }))
  }

  async fetchRegion(id: string, db: Executor = this.#db): Promise<Region> { return found(
    await regions.fetch(db, id), 'region', id,
  ) }
  listRegions(match: { parent_region_id?: string } = {}): Promise<Region[]> { return regions.list(this.#db, match) }

  async createRegion(id: string, wanted: RegionChanges): Promise<Region> {
    const region: Region = {
      id, description: wanted.description ?? '', parent_region_id: wanted.parent_region_id ?? null,
      extra: wanted.extra ?? {},
    }
    await unlessTaken('region', `Duplicate ID, ${id}`, () => this.#db.transaction(async (tx) => {
      if (region.parent_region_id) await this.fetchRegion(region.parent_region_id, tx)
      if (await regions.fetch(tx, id)) throw taken('region', `Duplicate ID, ${id}`)
      await regions.insert(tx, region)
    }))
    return region
  }

  async updateRegion(id: string, changes: RegionChanges): Promise<Region> {
    return await this.#db.transaction(async (tx) => {
      const before = await this.fetchRegion(id, tx)
      const after = { ...before, ...defined(changes), extra: { ...before.extra, ...changes.extra } }
      await this.#refuseCircle(tx, id, after.parent_region_id)
      await regions.update(tx, id, after)
      this.#told(tx)
      return after
    })
  }

  /** Takes the regions below along; none of them may have endpoints. */
  async removeRegion(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetchRegion(id, tx)
      const all = [id]
      for (let at = 0; at < all.length; at++) all.push(...(await regions.list(
        tx, { parent_region_id: all[at]! },
      )).map((region) => region.id))
      if (await endpoints.find(tx, { region_id: all })) {
        throw forbidden(`Unable to delete region ${id} because it or its child regions have associated endpoints.`)
      }
      for (const region of all) await regions.remove(tx, region)
      this.#told(tx)
    })
  }

  async fetchService(id: string, db: Executor = this.#db): Promise<Service> { return found(
    await services.fetch(db, id), 'service', id,
  ) }
  listServices(match: { type?: string; name?: string } = {}): Promise<Service[]> {
    return services.list(this.#db, match)
  }

  async createService(wanted: ServiceChanges & { type: string }): Promise<Service> {
    const service: Service = {
      id: hexId(), type: wanted.type, name: wanted.name ?? '', enabled: wanted.enabled ?? true,
      description: wanted.description ?? null, extra: wanted.extra ?? {},
    }
    await this.#db.transaction(async (tx) => { await services.insert(tx, service); this.#told(tx) })
    return service
  }

  async updateService(id: string, changes: ServiceChanges): Promise<Service> {
    return await this.#db.transaction(async (tx) => {
      const before = await this.fetchService(id, tx)
      const after = { ...before, ...defined(changes), extra: { ...before.extra, ...changes.extra } }
      await services.update(tx, id, after)
      this.#told(tx)
      return after
    })
  }

  /** Its endpoints and limits go with it. */
  async removeService(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetchService(id, tx)
      for (const endpoint of await endpoints.list(tx, { service_id: id })) await removeEndpointRow(tx, endpoint.id)
      await limits.removeWhere(tx, { service_id: id })
      await registeredLimits.removeWhere(tx, { service_id: id })
      await services.remove(tx, id)
      this.#told(tx)
    })
  }

  async fetchEndpoint(id: string, db: Executor = this.#db): Promise<Endpoint> { return found(
    await endpoints.fetch(db, id), 'endpoint', id,
  ) }

  listEndpoints(match: {
    interface?: string
    service_id?: string
    region_id?: string
    id?: string[]
  } = {}): Promise<Endpoint[]> {
    return endpoints.list(this.#db, match)
  }

  async createEndpoint(wanted: EndpointChanges & {
    service_id: string
    interface: string
    url: string
  }): Promise<Endpoint> {
    const endpoint: Endpoint = {
      id: hexId(), service_id: wanted.service_id, region_id: wanted.region_id ?? null, interface: wanted.interface,
      url: wanted.url,
      enabled: wanted.enabled ?? true, extra: wanted.extra ?? {},
    }
    await this.#db.transaction(async (tx) => {
      await this.#refuseBadEndpoint(tx, endpoint)
      await endpoints.insert(tx, endpoint)
      this.#told(tx)
    })
    return endpoint
  }

  async updateEndpoint(id: string, changes: EndpointChanges): Promise<Endpoint> {
    return await this.#db.transaction(async (tx) => {
      const before = await this.fetchEndpoint(id, tx)
      const after = { ...before, ...defined(changes), extra: { ...before.extra, ...changes.extra } }
      await this.#refuseBadEndpoint(tx, after)
      await endpoints.update(tx, id, after)
      this.#told(tx)
      return after
    })
  }

  async removeEndpoint(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetchEndpoint(id, tx)
      await removeEndpointRow(tx, id)
      this.#told(tx)
    })
  }

  /** Makes a missing region (upstream does for `region` in an endpoint's body). */
  async ensureRegion(id: string): Promise<void> {
    if (await regions.fetch(this.#db, id)) return
    await this.#db.transaction(async (tx) => {
      if (!await regions.fetch(tx, id)) await regions.insert(tx, {
        id, description: '', parent_region_id: null, extra: {},
      })
    })
  }

  /** Registers this cloud's own services, below its public root wherever that is. Idempotent. */
  async ensure(entries: CatalogEntry[]): Promise<void> {
    for (const region of new Set(entries.map((entry) => entry.region))) await this.ensureRegion(region)
    await this.#db.transaction(async (tx) => {
      for (const entry of entries) await ensureEntry(tx, entry)
      this.#told(tx)
    })
  }

  #told(tx: Tx): void { this.#ground.news.changed(tx, { catalog: true }) }

  async #read() {
    const { generation } = this.#ground.memory
    if (this.#whole?.generation !== generation) {
      this.#whole = {
        generation, services: await services.list(this.#db), endpoints: await endpoints.list(this.#db),
        single: await projectEndpoints.list(this.#db), grouped: await projectEndpointGroups.list(this.#db),
        groups: await endpointGroups.list(this.#db),
      }
    }
    return this.#whole
  }

  async #refuseBadEndpoint(tx: Tx, endpoint: Endpoint): Promise<void> {
    refuseBadUrl(endpoint.url)
    if (!await services.fetch(tx, endpoint.service_id)) {
      throw invalid(
        `Could not find service: ${endpoint.service_id}.`, 'service_id',
      )
    }
    if (endpoint.region_id !== null && !await regions.fetch(tx, endpoint.region_id)) {
      throw invalid(
        `Could not find region: ${endpoint.region_id}.`, 'region_id',
      )
    }
  }

  async #refuseCircle(tx: Tx, id: string, parent: string | null): Promise<void> {
    for (let at = parent; at; at = (await this.fetchRegion(at, tx)).parent_region_id) {
      if (at === id) {
        throw invalid(
          `The specified parent region ${parent} would create a circular region hierarchy.`, 'parent_region_id',
        )
      }
    }
  }
}

/** All a catalog is made of, as of one generation of changes. */
interface Whole {
  generation: number
  services: Service[]
  endpoints: Endpoint[]
  single: ProjectEndpoint[]
  grouped: ProjectEndpointGroup[]
  groups: EndpointGroup[]
}

const everything = () => true

/** What the project's filter lets through; a project without one sees everything. */
const filterOf = (whole: Whole, projectId: string | undefined): ((endpoint: Endpoint) => boolean) => {
  const single = whole.single.filter((one) => one.project_id === projectId)
  const grouped = whole.grouped.filter((one) => one.project_id === projectId)
  if (projectId === undefined || single.length + grouped.length === 0) return everything
  const groups = whole.groups.filter((group) => grouped.some((one) => one.endpoint_group_id === group.id))
  return (endpoint) => single.some(
    (one) => one.endpoint_id === endpoint.id
  ) || groups.some((group) => isInGroup(endpoint, group))
}

const defined = <T extends object>(changes: T): T =>
  Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as T

const removeEndpointRow = async (tx: Tx, id: string): Promise<void> => {
  await projectEndpoints.removeWhere(tx, { endpoint_id: id })
  await endpoints.remove(tx, id)
}

const ensureEntry = async (tx: Tx, { type, name, path, region }: CatalogEntry): Promise<void> => {
  const service = await services.find(tx, { type, name })
    ?? { id: hexId(), type, name, enabled: true, description: null, extra: {} }
  if (!await services.fetch(tx, service.id)) await services.insert(tx, service)
  for (const kind of ['public', 'internal', 'admin']) {
    const known = await endpoints.find(tx, { service_id: service.id, region_id: region, interface: kind })
    if (!known) await endpoints.insert(tx, {
      id: hexId(), service_id: service.id, region_id: region, interface: kind, url: path, enabled: true, extra: {},
    })
    else if (known.url.startsWith('/') && known.url !== path) await endpoints.update(tx, known.id, { url: path })
  }
}

/** Nothing when its URL needs a project and the token has none. */
const shownTo = (endpoint: Endpoint, scope: {
  userId: string
  projectId?: string
  hostUrl: string
}): CatalogEndpoint[] => {
  const names = [...endpoint.url.matchAll(substitutes)].map(([, name]) => name!)
  if (!scope.projectId && names.some((name) => projectNames.has(name))) return []
  const values: Record<string, string> = {
    project_id: scope.projectId ?? '', tenant_id: scope.projectId ?? '', user_id: scope.userId,
  }
  const url = endpoint.url.replace(substitutes, (whole, name: string) => values[name] ?? whole)
  return [{
    id: endpoint.id, interface: endpoint.interface, region_id: endpoint.region_id, region: endpoint.region_id,
    url: absolute(url, scope.hostUrl),
  }]
}

/** This cloud's own endpoints are stored as paths, and shown below the root the client uses. */
export const absolute = (url: string, hostUrl: string): string => (url.startsWith('/') ? hostUrl + url : url)
