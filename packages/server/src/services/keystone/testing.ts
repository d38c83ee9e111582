/** Keystone alone behind its door, for tests: in-memory database and bus, cheap hashes, a clock that tests move. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEnforcer } from '#platform/auth/policy-enforcer.ts'
import type { Bus } from '#platform/bus/bus.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { ManualClock } from '#platform/clock/clock.ts'
import { openDatabase, type Database } from '#platform/db/database.ts'
import { migrate } from '#platform/db/migrate.ts'
import { createServer } from '#platform/http/server.ts'
import { silentLog, type Log } from '#platform/log/log.ts'
import type { ServiceDeps } from '#services/deps.ts'
import type { Managers } from './manager/managers.ts'
import { keystone } from './service.ts'

export interface Answer { status: number; headers: Record<string, unknown>; body: any }

export interface Asked { token?: string; body?: unknown; headers?: Record<string, string> }

export const adminPassword = 'admin secret'
export const demoPassword = 'demo secret'

/** Starts it. Two on one database, folder and bus are two processes of one cloud. */
export interface StartOptions {
  config?: Record<string, unknown>
  /** A migrated database of the caller's, who closes it; a fresh one in memory when absent. */
  db?: Database
  dataDir?: string
  bus?: Bus
  clock?: ManualClock
  log?: Log
}

export const startKeystone = async (options: StartOptions = {}) => {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'keystone-test-'))
  const clock = options.clock ?? new ManualClock(Date.UTC(2026, 0, 1))
  const db = options.db ?? await openDatabase({ url: 'sqlite::memory:' })
  const bus = options.bus ?? createMemoryBus()
  const log = options.log ?? silentLog
  await migrate(db, [{ service: 'keystone', migrations: keystone.migrations }])
  const policy = createEnforcer({ defaults: keystone.policies, overrides: {}, enforceScope: true })
  const deps = {
    db, bus, clock, policy, dataDir, log, masterKey: Buffer.alloc(32, 7), region: 'RegionOne', cloudId: '0badcafe',
    config: { adminPassword, demoPassword, argon2MemoryKiB: 8, argon2Passes: 1, ...options.config },
  } as Partial<ServiceDeps> as ServiceDeps
  const instance = keystone.create(deps)
  await instance.seed!()
  await instance.facade.catalogEnsure([
    { type: 'identity', name: 'keystone', path: '/identity', region: 'RegionOne' },
    { type: 'compute', name: 'nova', path: '/compute/v2.1', region: 'RegionOne' },
  ])
  await instance.start!()
  const server = createServer({
    services: [{ manifest: keystone, api: instance.api, policy }], validator: instance.facade, log, pages: [],
    observe: () => undefined,
  })
  const ask = async (method: string, path: string, { token, body, headers }: Asked = {}): Promise<Answer> => {
    const answer = await server.inject({
      method: method as 'GET', url: `/identity${path}`, payload: body === undefined ? undefined : JSON.stringify(body),
      headers: {
        host: 'cloud.test:5000', ...(token && { 'x-auth-token': token }),
        ...(body !== undefined && { 'content-type': 'application/json' }), ...headers,
      },
    })
    return {
      status: answer.statusCode, headers: answer.headers, body: answer.body ? JSON.parse(answer.body) : undefined,
    }
  }
  return {
    managers: instance.api as Managers, facade: instance.facade, controllers: instance.controllers, clock, db, ask,
    dataDir,
    close: async () => {
      await server.close()
      await instance.stop!()
      if (!options.bus) await bus.close()
      if (!options.db) await db.close()
      if (!options.dataDir) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

export type TestKeystone = Awaited<ReturnType<typeof startKeystone>>

export interface Login { user: string; password: string; scope?: unknown }

export const loginBody = ({ user, password, scope }: Login) => ({
  auth: {
    identity: { methods: ['password'], password: { user: { name: user, domain: { id: 'default' }, password } } },
    ...(scope !== undefined && { scope }),
  },
})

/** A token's text; throws with the answer when there is none. */
export const login = async (keystone: TestKeystone, wanted: Login): Promise<string> => {
  const answer = await keystone.ask('POST', '/v3/auth/tokens', { body: loginBody(wanted) })
  if (answer.status !== 201) throw new Error(
    `login of ${wanted.user} answered ${answer.status}: ${JSON.stringify(answer.body)}`
  )
  return String(answer.headers['x-subject-token'])
}

export const projectScope = (name: string) => ({ project: { name, domain: { id: 'default' } } })

export const adminToken = (keystone: TestKeystone): Promise<string> =>
  login(keystone, { user: 'admin', password: adminPassword, scope: projectScope('admin') })

export const demoToken = (keystone: TestKeystone): Promise<string> =>
  login(keystone, { user: 'demo', password: demoPassword, scope: projectScope('demo') })
