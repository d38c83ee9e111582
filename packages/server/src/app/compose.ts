/** Wires platform, drivers and services together: the only place that builds a cloud. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { createBoundBus } from './bus.ts'
import { cinderPorts } from './cinder-ports.ts'
import { glancePorts } from './glance-ports.ts'
import { readOverrides } from './policy-files.ts'
import type { Config } from './config.ts'
import type { Identity } from './data-dir.ts'
import { createAdminService } from './admin-service.ts'
import type { Bus } from '#platform/bus/bus.ts'
import { createOutboxRelay } from '#platform/bus/outbox-relay.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { createRunner, type Runner } from '#platform/controllers/runner.ts'
import { migrate } from '#platform/db/migrate.ts'
import { openDatabase } from '#platform/db/open-database.ts'
import type { Database } from '#platform/db/database.ts'
import { createServer } from '#platform/http/server.ts'
import type { BoundService } from '#platform/http/door.ts'
import type { Log } from '#platform/log/log.ts'
import { createMetrics, type Metrics } from '#platform/metrics/metrics.ts'
import { createEnforcer } from '#platform/auth/policy-enforcer.ts'
import type { ServiceInstance, ServiceManifest } from '#platform/api-kit/service.ts'
import { CloudKeys } from '#drivers/remote/session.ts'
import type { Serve } from '#drivers/remote/link.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { MetadataAsk } from '#services/metadata/ports.ts'
import type { Facades, HostDirectory, ServiceDeps } from '#services/deps.ts'
import { JoinedHosts } from './hosts/joined-hosts.ts'

export interface CloudOptions {
  config: Config
  dataDir: string
  identity: Identity
  /** Which services this process has; a facade of one that is absent cannot be called. */
  services: ServiceManifest[]
  hosts: HostDirectory
  /** This process takes hosts that join by agents; `caller` names it to them, the same after a restart. */
  agents?: { caller: string }
  /** False: requests only, and no loops. */
  runsControllers?: boolean
  clock: Clock
  log: Log
  /** What other services may need from outside at first boot; see `ServiceDeps.config`. */
  extras?: Record<string, Record<string, unknown>>
}

export interface Cloud {
  server: FastifyInstance
  runner: Runner
  db: Database
  bus: Bus
  facades: Facades
  /** What a service's handlers receive, for the operator's commands and tests. */
  api(service: string): any
  close(): Promise<void>
}

interface Built {
  manifest: ServiceManifest
  instance: ServiceInstance
  bound: BoundService
}

/** Facades of lower levels only; a call upwards is a fault of the program and says so at start. */
const facadesBelow = (level: number, built: Built[]): Facades =>
  new Proxy({} as Facades, {
    get: (_target, name) => {
      const found = built.find(({ manifest }) => manifest.name === name)
      if (found && found.manifest.level < level) return found.instance.facade
      throw new Error(`A service of level ${level} may not call "${String(name)}": calls go down only`)
    },
  })

const depsFor = (
  manifest: ServiceManifest,
  parts: Parts,
  built: Built[],
  bound: Pick<BoundService, 'policy'>,
): ServiceDeps => {
  const { options, db, bus, metrics } = parts
  const dataDir = join(options.dataDir, manifest.name)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const section = (options.config as unknown as Record<string, object>)[manifest.name] ?? {}
  return {
    db,
    bus,
    metrics,
    dataDir,
    clock: options.clock,
    log: options.log.child({ service: manifest.name }),
    policy: bound.policy,
    hosts: parts.hosts,
    facades: facadesBelow(manifest.level, built),
    cloudId: options.identity.cloudId,
    region: options.config.region,
    masterKey: options.identity.masterKey,
    config: {
      ...section,
      ...(manifest.name === 'hosts' && { tokenText: cloudKeysOf(options).tokenText }),
      ...(manifest.name === 'glance' && { ports: glancePorts(options.dataDir) }),
      ...(manifest.name === 'cinder' && { ports: cinderPorts(options.dataDir) }),
      ...options.extras?.[manifest.name],
    },
  }
}

interface Parts {
  hosts: HostDirectory
  options: CloudOptions
  db: Database
  bus: Bus
  metrics: Metrics
}

const build = (manifests: ServiceManifest[], parts: Parts): Built[] => {
  const built: Built[] = []
  for (const manifest of manifests) {
    const overrides = readOverrides(join(parts.options.dataDir, 'policy'), manifest.name)
    const policy = createEnforcer({
      defaults: manifest.policies,
      overrides,
      enforceScope: parts.options.config.keystone.enforceScope,
    })
    const instance = manifest.create(depsFor(manifest, parts, built, { policy }))
    built.push({ manifest, instance, bound: { manifest, api: instance.api, policy } })
  }
  return built
}

const catalogOf = (manifests: ServiceManifest[], region: string) =>
  manifests.flatMap(({ catalog }) => catalog.map((entry) => ({ ...entry, region })))

/** Opens the database, migrates, builds and seeds every service, and starts the loops. Listening is the caller's. */
export const compose = async (options: CloudOptions): Promise<Cloud> => {
  const { config, clock, log } = options
  const url = config.database ?? `sqlite:${join(options.dataDir, 'quaystone.db')}`
  const db = await openDatabase({ url, synchronous: config.sqliteSync, log })
  const bus = await createBoundBus(config)
  const metrics = createMetrics()
  const adminService = createAdminService()
  const manifests = [...options.services, adminService].sort((a, b) => a.level - b.level)
  await migrate(
    db,
    manifests.map(({ name, migrations }) => ({ service: name, migrations })),
  )
  const joined = joinedHosts(options, bus, () => facades)
  const built = build(manifests, { options, db, bus, metrics, hosts: joined ?? options.hosts })
  const facades: Facades = facadesBelow(Infinity, built)
  for (const { instance } of built) await instance.seed?.()
  await facades.keystone.catalogEnsure(catalogOf(manifests, config.region))
  const runner = createRunner({
    controllers: built.flatMap(({ instance }) => instance.controllers),
    db,
    bus,
    clock,
    log,
    owner: options.agents?.caller ?? options.identity.cloudId,
  })
  const relay = createOutboxRelay({ db, bus, clock, log })
  const server = serverOf(built, options, facades, metrics)
  await joined?.start()
  for (const { instance } of built) await instance.start?.()
  relay.start()
  if (options.runsControllers !== false) runner.start()
  adminService.bind({ runner, services: manifests, facades })
  const close = async () => {
    await server.close()
    await runner.stop()
    for (const { instance } of built.toReversed()) await instance.stop?.()
    joined?.stop()
    await relay.stop()
    await bus.close()
    await db.close()
  }
  const api = (name: string) => built.find(({ manifest }) => manifest.name === name)?.instance.api
  return { server, runner, db, bus, facades, api, close }
}

const cloudKeysOf = ({ identity }: CloudOptions): CloudKeys => new CloudKeys(identity.masterKey)

/** What agents may ask: for their containers, what only the cloud knows. */
const answersOf =
  (facades: () => Facades): Serve =>
  async (method, args) => {
    if (method === 'cloud.metadata') return await facades().metadata.answer(args[0] as MetadataAsk)
    throw notFound(`The cloud has no answer to "${method}"`)
  }

/** Built before the services that look at it, and asking one of them: so that one is named, not handed over. */
const joinedHosts = (options: CloudOptions, bus: Bus, facades: () => Facades): JoinedHosts | undefined => {
  if (options.agents === undefined) return undefined
  const { identity, hosts, clock, log, agents } = options
  return new JoinedHosts({
    bus,
    keys: cloudKeysOf(options),
    cloudId: identity.cloudId,
    caller: agents.caller,
    local: hosts.list()[0],
    members: () => facades().hosts,
    answers: answersOf(facades),
    clock,
    log: log.child({ part: 'hosts' }),
  })
}

const serverOf = (built: Built[], options: CloudOptions, facades: Facades, metrics: Metrics): FastifyInstance => {
  const seconds = metrics.histogram({
    name: 'quaystone_http_request_seconds',
    help: 'Time to answer',
    labels: ['route', 'method', 'status'] as const,
  })
  return createServer({
    services: built.map(({ bound }) => bound),
    log: options.log,
    validator: facades.keystone,
    publicUrl: options.config.publicUrl,
    observe: (route, method, status, took) => seconds.observe({ route, method, status: String(status) }, took),
    pages: [
      { path: '/metrics', handle: async () => ({ type: metrics.contentType, body: await metrics.text() }) },
      { path: '/healthz', handle: () => ({ type: 'application/json', body: '{"status":"ok"}' }) },
    ],
  })
}
