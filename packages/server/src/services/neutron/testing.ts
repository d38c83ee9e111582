/** A cloud with nothing in it but Neutron: real rows, real door and policy, a fake host, and permissive quota. */
import assert from 'node:assert/strict'
import { createFakeHostNetwork, type FakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { systemClock } from '#platform/clock/clock.ts'
import type { TokenData } from '#platform/auth/context.ts'
import { createEnforcer } from '#platform/auth/policy-enforcer.ts'
import { createRunner, type Runner } from '#platform/controllers/runner.ts'
import type { Database } from '#platform/db/database.ts'
import { testDatabases, type TestDatabase } from '#platform/db/testing.ts'
import { overLimit } from '#platform/errors/errors.ts'
import { createServer } from '#platform/http/server.ts'
import { silentLog } from '#platform/log/log.ts'
import { createMetrics } from '#platform/metrics/metrics.ts'
import type { ServiceInstance } from '#platform/api-kit/service.ts'
import type { Facades, Host, ServiceDeps } from '#services/deps.ts'
import type { QuotaFacade } from '#services/quota/facade.ts'
import type { NeutronApi } from './api/neutron-api.ts'
import type { NeutronFacade } from './facade.ts'
import { neutron } from './service.ts'

/** Counts by subject; refuses beyond the limits that a test sets. */
export class CountingQuota {
  readonly held = new Map<string, { projectId: string; resource: string }>()
  readonly limitsOf = new Map<string, number>()
  readonly limited = new Set<string>()

  used(resource: string, projectId?: string): number {
    return [...this.held.values()].filter(
      (one) => one.resource === resource && (projectId ?? one.projectId) === one.projectId,
    ).length
  }

  facade(): QuotaFacade {
    const facade: Partial<QuotaFacade> = {
      reserve: async (_tx, { projectId, deltas, subject }) => {
        const [resource] = Object.keys(deltas) as [string]
        const limit = this.limitsOf.get(resource) ?? -1
        if (limit >= 0 && this.used(resource) >= limit)
          throw overLimit(`Quota exceeded for resources: ['${resource}'].`, { resource, limit })
        this.held.set(subject, { projectId, resource })
        return { subject, projectId, deltas, state: 'reserved' }
      },
      commit: async () => undefined,
      release: async (_tx, { subject }) => {
        this.held.delete(subject)
      },
      ensureResource: async () => undefined,
      owns: () => undefined,
      usage: async () => ({}),
      limits: async () => Object.fromEntries(this.limitsOf),
      defaults: async () => ({ networks: 100, subnets: 100, ports: 500 }),
      projectsLimited: async () => [...this.limited],
      setLimits: async ({ projectId, limits }) => {
        this.limited.add(projectId)
        for (const [name, limit] of Object.entries(limits)) this.limitsOf.set(name, Number(limit))
      },
      resetLimits: async (projectId) => {
        this.limited.delete(projectId)
        this.limitsOf.clear()
      },
    }
    return facade as QuotaFacade
  }
}

const projectIds: Record<string, string> = { admin: 'a'.repeat(32), demo: 'd'.repeat(32), other: 'e'.repeat(32) }

const tokenOf = (name: string): TokenData | undefined => {
  const id = projectIds[name]
  if (!id) return undefined
  const domain = { id: 'default', name: 'Default' }
  const roles = (name === 'admin' ? ['admin', 'manager', 'member', 'reader'] : ['member', 'reader']).map((role) => ({
    id: role,
    name: role,
  }))
  return {
    methods: ['password'],
    auditIds: [],
    issuedAt: 0,
    expiresAt: 9e15,
    user: { id: `user-${name}`, name, domain },
    project: { id, name, domain },
    roles,
  }
}

export interface TestNeutron {
  db: Database
  api: NeutronApi
  facade: NeutronFacade
  instance: ServiceInstance
  quota: CountingQuota
  network: FakeHostNetwork
  runner: Runner
  projects: typeof projectIds
  /** One request as `admin`, `demo` or `other`; `path` is below `/network/v2.0`. */
  ask(
    who: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: any; headers: Record<string, unknown> }>
  close(): Promise<void>
}

const keystone = {
  projectAncestors: async (id: string) => [{ id }],
  projectsList: async () =>
    Object.entries(projectIds).map(([name, id]) => ({
      id,
      name,
      domainId: 'default',
      parentId: null,
      enabled: true,
      isDomain: false,
    })),
}

export const startNeutron = async (
  open: TestDatabase['open'] = testDatabases()[0]!.open,
  hostNames = ['host-1'],
): Promise<TestNeutron> => {
  const db = await open({ migrations: [{ service: 'neutron', migrations: neutron.migrations }] })
  const [bus, clock, quota, metrics] = [createMemoryBus(), systemClock, new CountingQuota(), createMetrics()]
  const policy = createEnforcer({ defaults: neutron.policies, overrides: {}, enforceScope: true })
  const hosts = hostNames.map((name, at): Host => ({
    name,
    network: createFakeHostNetwork(),
    runtime: undefined as never,
    address: `192.0.2.${at + 1}`,
  }))
  const deps: ServiceDeps = {
    db,
    bus,
    clock,
    log: silentLog,
    metrics,
    policy,
    hosts: { list: () => hosts, find: (name) => hosts.find((host) => host.name === name) },
    facades: { quota: quota.facade(), keystone } as unknown as Facades,
    dataDir: '',
    cloudId: '0'.repeat(8),
    region: 'RegionOne',
    masterKey: Buffer.alloc(32),
    config: { resolvers: ['192.0.2.53'] },
  }
  const instance = neutron.create(deps)
  const server = createServer({
    services: [{ manifest: neutron, api: instance.api, policy }],
    log: silentLog,
    validator: { validate: tokenOf },
    publicUrl: undefined,
    observe: () => undefined,
    pages: [],
  })
  const runner = createRunner({ controllers: instance.controllers, db, bus, clock, log: silentLog, owner: 'test' })
  const ask: TestNeutron['ask'] = async (who, method, path, body, headers) => {
    const answer = await server.inject({
      method: method as 'GET',
      url: `/network/v2.0${path}`,
      payload: body === undefined ? undefined : JSON.stringify(body),
      headers: { 'x-auth-token': who, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    })
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: answer.body ? JSON.parse(answer.body) : undefined,
    }
  }
  const close = async () => {
    await server.close()
    await runner.stop()
    await instance.stop?.()
    await db.close()
  }
  return {
    db,
    api: instance.api,
    facade: instance.facade,
    instance,
    quota,
    network: hosts[0]!.network as FakeHostNetwork,
    runner,
    projects: projectIds,
    ask,
    close,
  }
}

/** Makes one resource, which must succeed, and gives its view; `path` is below `/network/v2.0`. */
export const make = async (cloud: TestNeutron, ...[who, path, name, fields]: Parameters<Make>): Promise<any> => {
  const answer = await cloud.ask(who, 'POST', path, { [name]: fields })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body[name]
}
export type Make = (who: string, path: string, name: string, fields: object) => Promise<any>
