/** A whole cloud in one test process: fakes outside, a private SQLite file, no socket. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '#platform/clock/clock.ts'
import { loadConfig } from '#platform/config/config.ts'
import { silentLog, type Log } from '#platform/log/log.ts'
import { createFakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { createFakeVolumeStore } from '#drivers/fakes/volume-store.ts'
import type { ServiceManifest } from '#platform/api-kit/service.ts'
import type { Host, HostDirectory } from '#services/deps.ts'
import { compose, type Cloud } from './compose.ts'
import { configSchema, type Config } from './config.ts'
import { openDataDir } from './data-dir.ts'

export interface TestCloud extends Cloud {
  runtime: ReturnType<typeof createFakeRuntime>
  network: ReturnType<typeof createFakeHostNetwork>
  volumes: ReturnType<typeof createFakeVolumeStore>
  /** One request by a token: status, headers, parsed body. */
  ask(
    method: string,
    url: string,
    options?: { token?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer>
  /** A token's text, for a user of the first boot: `admin` on admin, `demo` on demo. */
  login(user: 'admin' | 'demo'): Promise<string>
}

export interface Answer {
  status: number
  headers: Record<string, unknown>
  body: any
  text: string
}

const fakeHost = (clock: Clock) => {
  const runtime = createFakeRuntime({ clock })
  const network = createFakeHostNetwork()
  const volumes = createFakeVolumeStore()
  const host: Host = { name: 'fake-host', runtime, network, volumes, address: '127.0.0.1' }
  return { runtime, network, volumes, host }
}

const noHosts: HostDirectory = { list: () => [], find: () => undefined }
const directoryOf = (host: Host): HostDirectory => ({
  list: () => [host],
  find: (name) => (name === host.name ? host : undefined),
})

const asker =
  (cloud: Cloud): TestCloud['ask'] =>
  async (method, url, { token, body, headers } = {}) => {
    const raw = typeof body === 'string' || Buffer.isBuffer(body)
    const answer = await cloud.server.inject({
      method: method as 'GET',
      url,
      payload: body === undefined || raw ? (body as string) : JSON.stringify(body),
      headers: {
        ...(token && { 'x-auth-token': token }),
        ...(body !== undefined && !raw && { 'content-type': 'application/json' }),
        ...headers,
      },
    })
    const json =
      String(answer.headers['content-type'] ?? '').includes('json') && answer.body
        ? JSON.parse(answer.body)
        : undefined
    return { status: answer.statusCode, headers: answer.headers, body: json, text: answer.body }
  }

/** The body of a password login. */
export const passwordLogin = (user: string, password: string, project?: string) => ({
  auth: {
    identity: { methods: ['password'], password: { user: { name: user, password, domain: { id: 'default' } } } },
    ...(project && { scope: { project: { name: project, domain: { id: 'default' } } } }),
  },
})

/** Starts a cloud on fakes; `close` removes everything it made. */
export const startTestCloud = async (
  options: {
    clock?: Clock
    log?: Log
    config?: Partial<Config>
    dataDir?: string
    services?: ServiceManifest[]
    /** No machine of its own: hosts join by agents over the cloud's bus. */
    takesAgents?: boolean
  } = {},
): Promise<TestCloud> => {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'quaystone-test-'))
  const clock = options.clock ?? systemClock
  const identity = openDataDir(dataDir)
  const { runtime, network, volumes, host } = fakeHost(clock)
  const cheapHashes = { keystone: { argon2MemoryKiB: 64, argon2Passes: 1 } }
  const config = loadConfig<Config>(configSchema, [
    { source: 'test', tree: cheapHashes },
    { source: 'test', tree: { sqliteSync: 'normal', ...options.config } },
  ])
  const cloud = await compose({
    services: options.services ?? (await import('./services.ts')).services,
    config,
    dataDir,
    identity,
    clock,
    log: options.log ?? silentLog,
    hosts: options.takesAgents ? noHosts : directoryOf(host),
    ...(options.takesAgents && { agents: { caller: 'test' } }),
    extras: { keystone: { adminPassword: identity.adminPassword, demoPassword: identity.demoPassword } },
  })
  const ask = asker(cloud)
  const login = async (user: 'admin' | 'demo') => {
    const password = user === 'admin' ? identity.adminPassword : identity.demoPassword
    const answer = await ask('POST', '/identity/v3/auth/tokens', { body: passwordLogin(user, password, user) })
    if (answer.status !== 201) throw new Error(`login as ${user} answered ${answer.status}: ${answer.text}`)
    return String(answer.headers['x-subject-token'])
  }
  const close = async () => {
    await cloud.close()
    if (!options.dataDir) rmSync(dataDir, { recursive: true, force: true })
  }
  return { ...cloud, close, runtime, network, volumes, ask, login }
}
