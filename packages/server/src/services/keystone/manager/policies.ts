/** Policy blobs that operators keep in Keystone for other services, and what each is for. Keystone reads none. */
import { notFound } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { endpoints, policies, policyAssociations, regions, services } from '../store/entity-store.ts'
import type { Endpoint, Extra, PolicyBlob } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found } from './refusals.ts'

export interface PolicyChanges { type?: string; blob?: string; extra?: Extra }

/** An endpoint, a service, or a service in a region. */
export interface PolicyUse { endpoint_id?: string; service_id?: string; region_id?: string }

const wholeUse = (use: PolicyUse) => ({
  endpoint_id: use.endpoint_id ?? null, service_id: use.service_id ?? null, region_id: use.region_id ?? null,
})

export class Policies {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async fetch(id: string): Promise<PolicyBlob> { return found(await policies.fetch(this.#db, id), 'policy', id) }
  list(match: { type?: string } = {}): Promise<PolicyBlob[]> { return policies.list(this.#db, match) }

  async create(wanted: PolicyChanges & { type: string; blob: string }): Promise<PolicyBlob> {
    const policy: PolicyBlob = { id: hexId(), type: wanted.type, blob: wanted.blob, extra: wanted.extra ?? {} }
    await policies.insert(this.#db, policy)
    return policy
  }

  async update(id: string, changes: PolicyChanges): Promise<PolicyBlob> {
    return await this.#db.transaction(async (tx) => {
      const before = found(await policies.fetch(tx, id), 'policy', id)
      const after: PolicyBlob = {
        ...before, type: changes.type ?? before.type, blob: changes.blob ?? before.blob,
        extra: { ...before.extra, ...changes.extra },
      }
      await policies.update(tx, id, after)
      return after
    })
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      if (!await policies.remove(tx, id)) found(undefined, 'policy', id)
      await policyAssociations.removeWhere(tx, { policy_id: id })
    })
  }

  /** A thing has one policy: a new one takes the place of the old. */
  async associate(policyId: string, use: PolicyUse): Promise<void> {
    const id = hexId()
    await this.#db.transaction(async (tx) => {
      await requireEnds(tx, policyId, use)
      await policyAssociations.removeWhere(tx, wholeUse(use))
      await policyAssociations.insert(tx, { id, policy_id: policyId, ...wholeUse(use) })
    })
  }

  async requireAssociation(policyId: string, use: PolicyUse): Promise<void> {
    await this.fetch(policyId)
    if (await policyAssociations.find(this.#db, { policy_id: policyId, ...wholeUse(use) })) return
    throw notFound('Could not find policy association.')
  }

  async dissociate(policyId: string, use: PolicyUse): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await requireEnds(tx, policyId, use)
      await policyAssociations.removeWhere(tx, { policy_id: policyId, ...wholeUse(use) })
    })
  }

  /** The closest association wins: endpoint, then service in its region and those around it, then service. */
  async forEndpoint(endpointId: string): Promise<PolicyBlob> {
    const endpoint = found(await endpoints.fetch(this.#db, endpointId), 'endpoint', endpointId)
    for (const use of await this.#usesOf(endpoint)) {
      const association = await policyAssociations.find(this.#db, wholeUse(use))
      if (association) return await this.fetch(association.policy_id)
    }
    throw notFound(`No policy is associated with endpoint ${endpointId}.`)
  }

  async endpointsOf(policyId: string): Promise<Endpoint[]> {
    await this.fetch(policyId)
    const effective: Endpoint[] = []
    for (const endpoint of await endpoints.list(this.#db)) {
      for (const use of await this.#usesOf(endpoint)) {
        const association = await policyAssociations.find(this.#db, wholeUse(use))
        if (!association) continue
        if (association.policy_id === policyId) effective.push(endpoint)
        break
      }
    }
    return effective
  }

  async #usesOf(endpoint: Endpoint): Promise<PolicyUse[]> {
    const uses: PolicyUse[] = [{ endpoint_id: endpoint.id }]
    for (let at = endpoint.region_id; at; at = (await regions.fetch(this.#db, at))?.parent_region_id ?? null) {
      uses.push({ service_id: endpoint.service_id, region_id: at })
    }
    return [...uses, { service_id: endpoint.service_id }]
  }
}

const requireEnds = async (tx: Tx, policyId: string, use: PolicyUse): Promise<void> => {
  found(await policies.fetch(tx, policyId), 'policy', policyId)
  if (use.endpoint_id !== undefined) found(await endpoints.fetch(tx, use.endpoint_id), 'endpoint', use.endpoint_id)
  if (use.service_id !== undefined) found(await services.fetch(tx, use.service_id), 'service', use.service_id)
  if (use.region_id !== undefined) found(await regions.fetch(tx, use.region_id), 'region', use.region_id)
}
