/** Which endpoints a project's catalog shows, when not all: single ones, and groups chosen by a filter. */
import { notFound } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { endpointGroups, endpoints, projectEndpointGroups, projectEndpoints, projects } from '../store/entity-store.ts'
import type { Endpoint, EndpointGroup, Project } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found, invalid } from './refusals.ts'

export interface EndpointGroupChanges { name?: string; description?: string | null; filters?: Record<string, string> }

const filterKeys = new Set(['service_id', 'region_id', 'interface'])

const refuseBadFilters = (filters: Record<string, string>): void => {
  const unknown = Object.keys(filters).find((key) => !filterKeys.has(key))
  if (unknown !== undefined) {
    throw invalid(
      `Expecting to find valid filter in endpoint group: "${unknown}" is none of ${[...filterKeys].join(', ')}.`,
      'filters',
    )
  }
}

/** Every condition of the group's filter holds. */
export const isInGroup = (endpoint: Endpoint, { filters }: EndpointGroup): boolean =>
  Object.entries(filters).every(([key, value]) => endpoint[key as 'service_id'] === value)

export class EndpointFilters {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async fetch(id: string): Promise<EndpointGroup> { return found(
    await endpointGroups.fetch(this.#db, id), 'Endpoint Group', id,
  ) }
  list(match: { name?: string } = {}): Promise<EndpointGroup[]> { return endpointGroups.list(this.#db, match) }

  async create(wanted: EndpointGroupChanges & {
    name: string; filters: Record<string, string>,
  }): Promise<EndpointGroup> {
    refuseBadFilters(wanted.filters)
    const group: EndpointGroup = {
      id: hexId(), name: wanted.name, description: wanted.description ?? null, filters: wanted.filters,
    }
    await this.#change((tx) => endpointGroups.insert(tx, group))
    return group
  }

  async update(id: string, changes: EndpointGroupChanges): Promise<EndpointGroup> {
    if (changes.filters) refuseBadFilters(changes.filters)
    return await this.#change(async (tx) => {
      const before = found(await endpointGroups.fetch(tx, id), 'Endpoint Group', id)
      const after: EndpointGroup = {
        ...before, name: changes.name ?? before.name,
        description: changes.description === undefined ? before.description : changes.description,
        filters: { ...before.filters, ...changes.filters },
      }
      await endpointGroups.update(tx, id, after)
      return after
    })
  }

  async remove(id: string): Promise<void> {
    await this.#change(async (tx) => {
      if (!await endpointGroups.remove(tx, id)) found(undefined, 'Endpoint Group', id)
      await projectEndpointGroups.removeWhere(tx, { endpoint_group_id: id })
    })
  }

  async endpointsOfGroup(id: string): Promise<Endpoint[]> {
    const group = await this.fetch(id)
    return (await endpoints.list(this.#db)).filter((endpoint) => isInGroup(endpoint, group))
  }

  async projectsOfGroup(id: string): Promise<Project[]> {
    await this.fetch(id)
    return await projects.list(
      this.#db,
      { id: (await projectEndpointGroups.list(this.#db, { endpoint_group_id: id })).map((one) => one.project_id) },
    )
  }

  async groupsOfProject(projectId: string): Promise<EndpointGroup[]> {
    found(await projects.fetch(this.#db, projectId), 'project', projectId)
    return await endpointGroups.list(
      this.#db,
      { id: (await projectEndpointGroups.list(
        this.#db, { project_id: projectId },
      )).map((one) => one.endpoint_group_id) },
    )
  }

  async projectsOfEndpoint(endpointId: string): Promise<Project[]> {
    found(await endpoints.fetch(this.#db, endpointId), 'endpoint', endpointId)
    return await projects.list(
      this.#db,
      { id: (await projectEndpoints.list(this.#db, { endpoint_id: endpointId })).map((one) => one.project_id) },
    )
  }

  /** Empty: the project has no filter and sees everything. */
  async endpointsOfProject(projectId: string): Promise<Endpoint[]> {
    found(await projects.fetch(this.#db, projectId), 'project', projectId)
    const single = new Set((await projectEndpoints.list(
      this.#db, { project_id: projectId },
    )).map((one) => one.endpoint_id))
    const groups = await this.groupsOfProject(projectId)
    if (single.size === 0 && groups.length === 0) return []
    return (await endpoints.list(this.#db)).filter((endpoint) => single.has(endpoint.id) || groups.some(
      (group) => isInGroup(endpoint, group)
    ))
  }

  async addEndpoint(projectId: string, endpointId: string): Promise<void> {
    const id = hexId()
    await this.#requireEnds(projectId, endpointId)
    await this.#change(async (tx) => {
      if (await projectEndpoints.find(tx, { project_id: projectId, endpoint_id: endpointId })) return
      await projectEndpoints.insert(tx, { id, project_id: projectId, endpoint_id: endpointId })
    })
  }

  async requireEndpoint(projectId: string, endpointId: string): Promise<void> {
    await this.#requireEnds(projectId, endpointId)
    if (await projectEndpoints.find(this.#db, { project_id: projectId, endpoint_id: endpointId })) return
    throw notFound(`Endpoint ${endpointId} not found in project ${projectId}`)
  }

  async removeEndpoint(projectId: string, endpointId: string): Promise<void> {
    const gone = await this.#change((tx) => projectEndpoints.removeWhere(tx, {
      project_id: projectId, endpoint_id: endpointId,
    }))
    if (gone > 0) return
    throw notFound(`Endpoint ${endpointId} not found in project ${projectId}`)
  }

  async addGroup(projectId: string, groupId: string): Promise<void> {
    const id = hexId()
    await this.fetch(groupId)
    found(await projects.fetch(this.#db, projectId), 'project', projectId)
    await this.#change(async (tx) => {
      if (await projectEndpointGroups.find(tx, { project_id: projectId, endpoint_group_id: groupId })) return
      await projectEndpointGroups.insert(tx, { id, project_id: projectId, endpoint_group_id: groupId })
    })
  }

  async requireGroup(projectId: string, groupId: string): Promise<void> {
    await this.fetch(groupId)
    if (await projectEndpointGroups.find(this.#db, { project_id: projectId, endpoint_group_id: groupId })) return
    throw notFound(`Endpoint Group Project Association not found for ${groupId} in ${projectId}`)
  }

  async removeGroup(projectId: string, groupId: string): Promise<void> {
    const gone = await this.#change((tx) => projectEndpointGroups.removeWhere(tx, {
      project_id: projectId, endpoint_group_id: groupId,
    }))
    if (gone > 0) return
    throw notFound(`Endpoint Group Project Association not found for ${groupId} in ${projectId}`)
  }

  /** Every change is news for the catalogs that processes remember. */
  #change<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#db.transaction(async (tx) => {
      const result = await work(tx)
      this.#ground.news.changed(tx, { catalog: true })
      return result
    })
  }

  async #requireEnds(projectId: string, endpointId: string): Promise<void> {
    found(await projects.fetch(this.#db, projectId), 'project', projectId)
    found(await endpoints.fetch(this.#db, endpointId), 'endpoint', endpointId)
  }
}
