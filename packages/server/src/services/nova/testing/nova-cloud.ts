/** Nova alone, behind the real door, on a private database, with its neighbours in memory. */
import type { FastifyInstance } from 'fastify'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { ServiceMigrations } from '#platform/db/migrate.ts'
import type { QuotaFacade } from '#services/quota/facade.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { createEnforcer } from '#platform/auth/policy-enforcer.ts'
import { testDatabases } from '#platform/db/testing.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { createServer } from '#platform/http/server.ts'
import { silentLog } from '#platform/log/log.ts'
import { createMetrics } from '#platform/metrics/metrics.ts'
import type { Facades, ServiceDeps } from '../../deps.ts'
import { nova } from '../service.ts'
import { FakeCinder } from './fake-cinder.ts'
import { FakeGlance, FakeNeutron, FakeQuota, people } from './fake-neighbours.ts'
import { FakeWorkloads } from './fake-workloads.ts'

export interface Answer { status: number; body: any; headers: Record<string, unknown> }
export interface AskOptions { as?: string; version?: string; body?: unknown }

/** Quota itself instead of its fake, on Nova's database. */
export interface RealQuota { migrations: ServiceMigrations[]; over(db: Database, clock: Clock): QuotaFacade }

export class NovaCloud {
  readonly clock = new ManualClock()
  readonly workloads = new FakeWorkloads()
  readonly neutron = new FakeNeutron()
  readonly glance = new FakeGlance()
  readonly cinder = new FakeCinder()
  readonly quota = new FakeQuota()
  readonly keystone: {
    projectFetch(id: string): Promise<{ id: string; name: string } | undefined>
    projectAncestors(id: string): Promise<{ id: string }[]>
  } = {
    projectFetch: async (id) => (id.startsWith('missing') ? undefined : { id, name: id }),
    projectAncestors: async (id) => [{ id }],
  }
  readonly bus = createMemoryBus()
  #server!: FastifyInstance
  #instance!: ReturnType<typeof nova.create>
  #deps!: ServiceDeps

  static async start(database: TestDatabase = testDatabases()[0]!, realQuota?: RealQuota): Promise<NovaCloud> {
    const cloud = new NovaCloud()
    await cloud.#start(database, realQuota)
    return cloud
  }

  async #start(database: TestDatabase, realQuota: RealQuota | undefined): Promise<void> {
    const migrations = [{ service: 'nova', migrations: nova.migrations }, ...(realQuota?.migrations ?? [])]
    const db = await database.open({ migrations, clock: this.clock })
    const policy = createEnforcer({ defaults: nova.policies, overrides: {}, enforceScope: false })
    const facades = {
      keystone: this.keystone, quota: realQuota?.over(db, this.clock) ?? this.quota, glance: this.glance,
      neutron: this.neutron, cinder: this.cinder, workloads: this.workloads,
    } as unknown as Facades
    this.#deps = {
      db, facades, policy, clock: this.clock, bus: this.bus, log: silentLog, metrics: createMetrics(),
      hosts: { list: () => [], find: () => undefined },
      dataDir: '', cloudId: '00000000', region: 'RegionOne', masterKey: Buffer.alloc(32), config: {},
    }
    this.#instance = nova.create(this.#deps)
    await this.#instance.seed?.()
    this.#server = createServer({
      services: [{ manifest: nova, api: this.#instance.api, policy }], log: silentLog, observe: () => {}, pages: [],
      validator: { validate: (token) => people[token] },
    })
  }

  get db() { return this.#deps.db }
  get facade() { return this.#instance.facade }

  async ask(method: string, path: string, { as = 'alice', version = '2.1', body }: AskOptions = {}): Promise<Answer> {
    const answer = await this.#server.inject({
      method: method as 'GET', url: `/compute${path}`, payload: body === undefined ? undefined : JSON.stringify(body),
      headers: {
        host: 'cloud', ...(as && { 'x-auth-token': as }), 'openstack-api-version': `compute ${version}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
    })
    return {
      status: answer.statusCode, headers: answer.headers,
      body: answer.body && String(answer.headers['content-type']).includes('json')
        ? JSON.parse(answer.body)
        : answer.body,
    }
  }

  /** A controller as a process that starts now would have it. */
  freshController(name: string) {
    return nova.create(this.#deps).controllers.find((controller) => controller.name === name)!
  }

  /** One request as it is, for the sweeps. */
  async raw(method: string, url: string, headers: Record<string, string>, payload?: string): Promise<{
    status: number
    text: string
  }> {
    const answer = await this.#server.inject({ method: method as 'GET', url, headers, payload })
    return { status: answer.statusCode, text: answer.body }
  }

  /** One pass of a controller: observe, plan, act. */
  async pass(name: string): Promise<number> {
    const controller = this.#instance.controllers.find((one) => one.name === name)!
    const steps = controller.plan(await controller.observe(controller.perPass))
    for (const step of steps) await controller.act(step)
    return steps.length
  }

  /** Lets the clock move a second and the rows follow the workloads. */
  async follow(): Promise<number> {
    this.clock.advance(6000)
    return this.pass('nova.follow')
  }

  async close(): Promise<void> {
    await this.#server.close()
    await this.bus.close()
    await this.db.close()
  }
}
