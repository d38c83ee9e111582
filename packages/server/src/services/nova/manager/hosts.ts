/** Hosts as the operator sees them: services, hypervisors, zones and aggregates. */
import { createHash } from 'node:crypto'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { HostInfo } from '#services/workloads/facade.ts'
import * as store from '../store/aggregates.ts'
import { serversOnHosts } from '../store/servers.ts'
import type { Aggregate } from './model.ts'
import type { NovaParts } from './parts.ts'

export const defaultZone = 'nova'
export const internalZone = 'internal'

/** One row of `os-services`. `number` is a stable 31-bit id for clients before 2.53. */
export interface ServiceView {
  number: number; uuid: string; binary: string; host: string; zone: string
  enabled: boolean; up: boolean; forcedDown: boolean; disabledReason: string | null; seenAt: number
}

export interface HypervisorView {
  number: number
  host: HostInfo
  service: ServiceView
  servers: { id: string; name: string }[]
}

const numberOf = (text: string): number => createHash('sha1').update(text).digest().readUInt32BE(0) >>> 1
const uuidOf = (text: string): string => {
  const hex = createHash('sha1').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const plainBinaries = ['nova-scheduler', 'nova-conductor']

export class Hosts {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  list(): Promise<HostInfo[]> { return this.#parts.facades.workloads.hosts() }

  /** The scheduler and the conductor are parts of this program; they are shown because clients look for them. */
  async services(): Promise<ServiceView[]> {
    const [hosts, down] = await Promise.all([this.list(), store.forcedDownHosts(this.#parts.db)])
    const here = hosts[0]
    const own = here ? plainBinaries.map((binary) => this.#ownService(binary, here)) : []
    return [...own, ...hosts.map((host) => this.#computeService(host, down.has(host.name)))]
  }

  #ownService(binary: string, host: HostInfo): ServiceView {
    const name = `${binary}:${host.name}`
    return {
      number: numberOf(name), uuid: uuidOf(name), binary, host: host.name, zone: internalZone, enabled: true, up: true,
      forcedDown: false, disabledReason: null, seenAt: this.#parts.clock.now(),
    }
  }

  #computeService(host: HostInfo, forcedDown: boolean): ServiceView {
    const name = `nova-compute:${host.name}`
    return {
      number: numberOf(name), uuid: uuidOf(name), binary: 'nova-compute', host: host.name, zone: host.availabilityZone,
      enabled: host.enabled, up: host.up && !forcedDown, forcedDown, disabledReason: host.disabledReason,
      seenAt: host.seenAt,
    }
  }

  /** By number or uuid. */
  async service(id: string): Promise<ServiceView> {
    const found = (await this.services()).find((service) => service.uuid === id || String(service.number) === id)
    if (!found) throw notFound(`Service ${id} could not be found.`)
    return found
  }

  async serviceOf(host: string, binary: string): Promise<ServiceView> {
    const found = (await this.services()).find((service) => service.host === host && service.binary === binary)
    if (!found) throw notFound(`Could not find binary ${binary} on host ${host}.`)
    return found
  }

  async changeService(
    service: ServiceView, change: { enabled?: boolean; disabledReason?: string | null; forcedDown?: boolean },
  ): Promise<ServiceView> {
    if (service.binary !== 'nova-compute') throw badRequest(
      `Updating a ${service.binary} service is not supported. Only nova-compute services can be updated.`,
    )
    const { forcedDown, ...rest } = change
    if (Object.keys(rest).length) await this.#parts.facades.workloads.hostUpdate(service.host, rest)
    if (forcedDown !== undefined) {
      await this.#parts.db.transaction(
        (tx) => store.forcedDownSet(tx, service.host, forcedDown, this.#parts.clock.now()),
      )
    }
    return this.service(service.uuid)
  }

  async hypervisors(): Promise<HypervisorView[]> {
    const [hosts, services, servers] = await Promise.all([this.list(), this.services(), serversOnHosts(this.#parts.db)])
    const byHost = Map.groupBy(servers, (server) => server.host)
    return hosts.map((host) => ({
      number: numberOf(host.id), host, servers: byHost.get(host.name) ?? [],
      service: services.find((service) => service.host === host.name && service.binary === 'nova-compute')!,
    }))
  }

  async hypervisor(id: string): Promise<HypervisorView> {
    const found = (await this.hypervisors()).find(({ host, number }) => host.id === id || String(number) === id)
    if (!found) throw notFound(`Compute host ${id} could not be found.`)
    return found
  }

  /** Zone → its hosts. The internal zone holds the services that are no compute hosts. */
  async zones(): Promise<Map<string, ServiceView[]>> {
    return Map.groupBy(await this.services(), (service) => service.zone)
  }

  aggregates(): Promise<Aggregate[]> { return store.aggregatesList(this.#parts.db) }

  async aggregate(id: string): Promise<Aggregate> {
    const found = /^\d{1,15}$/.test(id) ? await store.aggregateFetch(this.#parts.db, Number(id)) : undefined
    if (!found) throw notFound(`Aggregate ${id} could not be found.`)
    return found
  }

  async aggregateCreate(draft: { name: string; zone: string | null }): Promise<Aggregate> {
    const row = {
      uuid: uuid(), name: draft.name, zone: draft.zone, hosts: [], createdAt: this.#parts.clock.now(), updatedAt: null,
      metadata: draft.zone === null ? {} as Record<string, string> : { availability_zone: draft.zone },
    }
    const aggregate = await this.#parts.db.transaction((tx) => store.aggregateInsert(tx, row))
    if (!aggregate) throw conflict(`Aggregate ${draft.name} already exists.`)
    return aggregate
  }

  aggregateUpdate(id: string, change: { name?: string; zone?: string | null }): Promise<Aggregate> {
    return this.#changeAggregate(id, (before) => ({
      ...before, name: change.name ?? before.name,
      ...(change.zone !== undefined && zoned(before, change.zone)),
    }))
  }

  aggregateMetadata(id: string, metadata: Record<string, string | null>): Promise<Aggregate> {
    return this.#changeAggregate(id, (before) => {
      const merged = Object.fromEntries(
        Object.entries({ ...before.metadata, ...metadata }).filter(([, value]) => value !== null),
      ) as Record<string, string>
      return { ...before, metadata: merged, zone: merged.availability_zone ?? null }
    })
  }

  async aggregateAddHost(id: string, host: string): Promise<Aggregate> {
    const before = await this.aggregate(id)
    if (!(await this.list()).some((one) => one.name === host)) throw notFound(
      `Compute host ${host} could not be found.`,
    )
    if (before.hosts.includes(host)) throw conflict(`Aggregate ${id} already has host ${host}.`)
    await this.#assertOneZone(before, host)
    return this.#changeAggregate(id, (now) => ({ ...now, hosts: [...new Set([...now.hosts, host])] }))
  }

  async aggregateRemoveHost(id: string, host: string): Promise<Aggregate> {
    const before = await this.aggregate(id)
    if (!before.hosts.includes(host)) throw notFound(`Aggregate ${id} has no host ${host}.`)
    return this.#changeAggregate(id, (now) => ({ ...now, hosts: now.hosts.filter((one) => one !== host) }))
  }

  async aggregateDelete(id: string): Promise<void> {
    const aggregate = await this.aggregate(id)
    if (aggregate.hosts.length) throw badRequest(`Cannot remove host aggregate ${id}: it is not empty.`)
    await this.#parts.db.transaction((tx) => store.aggregateDelete(tx, aggregate.number))
  }

  /** A host is in one zone only, whatever number of aggregates it is in. */
  async #assertOneZone(aggregate: Aggregate, host: string): Promise<void> {
    if (aggregate.zone === null) return
    const other = (await this.aggregates()).find(
      (one) => one.zone !== null && one.zone !== aggregate.zone && one.hosts.includes(host),
    )
    if (other) throw conflict(
      `Cannot add host to aggregate ${aggregate.number}. `
      + `Reason: Host ${host} already in availability zone ${other.zone}.`,
    )
  }

  /** After the row, the zones of every host that the aggregate held or holds. */
  async #changeAggregate(id: string, change: (before: Aggregate) => Aggregate): Promise<Aggregate> {
    const { number } = await this.aggregate(id)
    const { before, after } = await this.#parts.db.transaction(async (tx) => {
      const before = (await store.aggregateFetch(tx, number))!
      const after = { ...change(before), updatedAt: this.#parts.clock.now() }
      await store.aggregateUpdate(tx, after)
      return { before, after }
    })
    await this.#rezone([...new Set([...before.hosts, ...after.hosts])])
    return after
  }

  async #rezone(touched: string[]): Promise<void> {
    if (!touched.length) return
    const [aggregates, hosts] = await Promise.all([this.aggregates(), this.list()])
    for (const host of hosts.filter((one) => touched.includes(one.name))) {
      const zone = aggregates.find((one) => one.zone !== null && one.hosts.includes(host.name))?.zone ?? defaultZone
      if (host.availabilityZone !== zone) await this.#parts.facades.workloads.hostUpdate(
        host.name, { availabilityZone: zone },
      )
    }
  }
}

const zoned = ({ metadata }: Aggregate, zone: string | null): Pick<Aggregate, 'zone' | 'metadata'> => {
  const { availability_zone: _, ...rest } = metadata
  return { zone, metadata: zone === null ? rest : { ...rest, availability_zone: zone } }
}
