/** A small world for this service's tests: real rows and claims, fake engines and networks, neighbours in memory. */
import type { Readable } from 'node:stream'
import { createFakeHostNetwork } from '#drivers/fakes/host-network.ts'
import type { FakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import type { FakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { tarOf } from '#drivers/fakes/container-runtime-images.ts'
import { createFakeVolumeStore, type FakeVolumeStore } from '#drivers/fakes/volume-store.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { createOutboxRelay } from '#platform/bus/outbox-relay.ts'
import { systemClock } from '#platform/clock/clock.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { createRunner } from '#platform/controllers/runner.ts'
import type { AnyController } from '#platform/controllers/controller.ts'
import type { Runner } from '#platform/controllers/runner.ts'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { silentLog } from '#platform/log/log.ts'
import { createMetrics } from '#platform/metrics/metrics.ts'
import type { Host, ServiceDeps } from '#services/deps.ts'
import type { VolumeStore } from '#services/cinder/facade.ts'
import type { GlanceFacade } from '#services/glance/facade.ts'
import type { NeutronFacade, PortInfo } from '#services/neutron/facade.ts'
import type { PlugPlan } from '#services/neutron/facade.ts'
import { createPlacementFacade } from '#services/placement/manager/facade.ts'
import { placementMigrations } from '#services/placement/store/migrations.ts'
import type { HostNetwork } from '#services/neutron/ports.ts'
import type { Workload, WorkloadSpec, WorkloadsFacade } from './facade.ts'
import type { BeforeCommand, ContainerRuntime } from './ports.ts'
import { workloads } from './service.ts'
import { workloadsMigrations } from './store/migrations.ts'

export interface TestHost extends Host {
  runtime: FakeRuntime
  network: FakeHostNetwork
  volumes: FakeVolumeStore
}

/** Ports by device; survives restarts of the service, as Neutron's rows do. */
type DeviceNames = Parameters<NeutronFacade['deviceNamesSet']>[2]

export class MemoryPorts {
  readonly #names = new Map<string, DeviceNames>()
  readonly ports = new Map<string, PortInfo[]>()
  readonly plans: string[] = []
  #next = 2

  add(deviceId: string, count = 1): void {
    const made = Array.from({ length: count }, (): PortInfo => ({
      id: uuid(),
      networkId: 'net',
      networkName: 'private',
      projectId: 'p',
      mac: `fa:16:3e:00:00:${(this.#next % 256).toString(16).padStart(2, '0')}`,
      fixedIps: [{ subnetId: 'sub', ip: `10.0.${this.#next >> 8}.${this.#next++ & 255}`, version: 4 }],
      floatingIps: [],
      deviceId,
      deviceOwner: 'compute:nova',
      hostName: '',
      status: 'DOWN',
      securityGroupIds: [],
      portSecurity: true,
    }))
    this.ports.set(deviceId, [...(this.ports.get(deviceId) ?? []), ...made])
  }
  of(deviceId: string): PortInfo[] {
    return this.ports.get(deviceId) ?? []
  }

  namesOf(deviceId: string): DeviceNames | undefined {
    return this.#names.get(deviceId)
  }

  facade(): NeutronFacade {
    const all = () => [...this.ports.values()].flat()
    return {
      portsBind: async (deviceId: string, hostName: string) => {
        for (const port of this.of(deviceId)) port.hostName = hostName
      },
      portsOf: async (deviceId: string) => structuredClone(this.of(deviceId)),
      portsOfMany: async (ids: string[]) => new Map(ids.map((id) => [id, structuredClone(this.of(id))])),
      plugPlans: async (deviceId: string, sandbox: { workloadId: string; pid: number; netns: string }) =>
        this.of(deviceId).map((port, at) => planOf(port, at, sandbox)),
      portStatus: async (portId: string, status: PortInfo['status']) => {
        for (const port of all()) if (port.id === portId) port.status = status
      },
      deviceNamesSet: async (_tx: unknown, deviceId: string, names: DeviceNames) => {
        this.#names.set(deviceId, names)
      },
      portsRelease: async (_tx: unknown, deviceId: string) => {
        this.ports.delete(deviceId)
      },
    } as Partial<NeutronFacade> as NeutronFacade
  }
}

function planOf(port: PortInfo, at: number, sandbox: { workloadId: string; pid: number; netns: string }): PlugPlan {
  const network = {
    id: port.networkId,
    segmentationId: 1,
    mtu: 1500,
    external: false,
    hostAddresses: [],
    remotes: [],
    names: [],
    subnets: [{ id: 'sub', cidr: '10.0.0.0/16', dnsNameservers: [], hostRoutes: [], enableDhcp: true }],
  }
  const wanted = {
    id: port.id,
    networkId: port.networkId,
    mac: port.mac,
    addresses: port.fixedIps.map(({ ip, subnetId }) => ({ ip, subnetId, prefixLength: 16 })),
    mtu: 1500,
    adminUp: true,
    portSecurity: true,
    allowedAddressPairs: [],
    securityGroupIds: [],
    sandbox,
    device: `eth${at}`,
    primary: at === 0,
  }
  return { network, port: wanted, securityGroups: [], resolvConf: 'search example\nnameserver 10.0.0.1\n' }
}

/** Images by id: what they run, or raw bytes. */
export class MemoryImages {
  readonly commands = new Map<string, string[]>()
  readonly uploaded = new Map<string, Buffer>()
  reads = 0
  facade(): GlanceFacade {
    return {
      imageFetch: async (id: string) => (this.commands.has(id) ? ({ id } as never) : undefined),
      imageData: async (id: string) => {
        const command = this.commands.get(id)
        if (command === undefined) throw notFound(`Image ${id} could not be found`)
        this.reads++
        const config = JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          image: id,
          config: { Cmd: command.length > 0 ? command : null },
        })
        return {
          stream: tarOf([
            { name: 'c.json', content: config },
            { name: 'manifest.json', content: JSON.stringify([{ Config: 'c.json', RepoTags: [], Layers: [] }]) },
          ]),
          sizeBytes: 1,
          sha512: '',
        }
      },
      snapshotUpload: async (id: string, data: Readable) => {
        const chunks: Buffer[] = []
        for await (const chunk of data) chunks.push(Buffer.from(chunk as Buffer))
        this.uploaded.set(id, Buffer.concat(chunks))
      },
    } as Partial<GlanceFacade> as GlanceFacade
  }
}

/** Hosts, ports, images and the database outlive a process; `start` makes a new one over them. */
export interface TestWorld {
  db: Database
  hosts: TestHost[]
  ports: MemoryPorts
  images: MemoryImages
  clock: Clock
  /** `dieAt`: the process ends right after its n-th effect on the world or the database. */
  process(options?: { dieAt?: number }): TestProcess
  close(): Promise<void>
}
export interface TestProcess {
  facade: WorkloadsFacade
  runner: Runner
  controllers: AnyController[]
  life: Life
  /** Those it reaches now. */
  hosts: Host[]
  /** Starts the loops and the relay, as `compose` does. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Runs every controller until nothing is left to do, also without `start`. */
  settle(): Promise<void>
}

export interface WorldOptions {
  hosts?: number
  clock?: Clock
  config?: Record<string, unknown>
  /** Default: SQLite. */
  database?: TestDatabase
}

export async function testWorld(options: WorldOptions = {}): Promise<TestWorld> {
  const migrations = [
    { service: 'placement', migrations: placementMigrations },
    { service: 'workloads', migrations: workloadsMigrations },
  ]
  const db = await (options.database ?? testDatabases()[0]!).open({ migrations })
  const clock = options.clock ?? systemClock
  const hosts = Array.from({ length: options.hosts ?? 1 }, (_, at) => testHost(`host-${at + 1}`, clock))
  const world: TestWorld = {
    db,
    hosts,
    clock,
    ports: new MemoryPorts(),
    images: new MemoryImages(),
    process: ({ dieAt = Infinity } = {}) => testProcess(world, new Life(dieAt), options.config ?? {}),
    close: () => db.close(),
  }
  world.images.commands.set('image', ['sleep', 'infinity'])
  return world
}

export const testHost = (name: string, clock: Clock): TestHost => ({
  name,
  address: '127.0.0.1',
  runtime: createFakeRuntime({ clock, name }),
  network: createFakeHostNetwork(),
  volumes: createFakeVolumeStore(),
})

/** A process that may be killed: each effect counts, and after its last one nothing it does has any effect. */
export class Life {
  readonly #dieAt: number
  readonly #death: Promise<never>
  #die: (error: Error) => void = () => undefined
  #atGates = 0
  effects = 0
  constructor(dieAt: number) {
    this.#dieAt = dieAt
    this.#death = new Promise((_, reject) => {
      this.#die = reject
    })
    this.#death.catch(() => undefined)
  }
  get isDead(): boolean {
    return this.effects >= this.#dieAt && this.#atGates === 0
  }

  /** The same object as this process sees it. */
  guard<T extends object>(target: T, effects: readonly (keyof T)[], immediate: readonly (keyof T)[] = []): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member = target[name as keyof T]
        if (typeof member !== 'function') return member
        if (immediate.includes(name as keyof T)) return member.bind(target)
        return async (...values: unknown[]) => {
          this.#assertAlive()
          const result: unknown = await Promise.race([member.apply(target, values), this.#death])
          if (effects.includes(name as keyof T)) this.#count()
          this.#assertAlive()
          return result
        }
      },
    })
  }

  /** The fake engine would take a death at the gate for a failed plug, so death waits until the gate is passed. */
  guardRuntime(runtime: ContainerRuntime): ContainerRuntime {
    const guarded = this.guard<ContainerRuntime>(runtime, runtimeEffects)
    const shut = (gate?: BeforeCommand): BeforeCommand | undefined =>
      gate &&
      (async (sandbox) => {
        this.#atGates += 1
        try {
          await gate(sandbox)
        } finally {
          this.#atGates -= 1
        }
      })
    return new Proxy(guarded, {
      get: (target, name) => {
        if (name === 'start') return (id: string, gate?: BeforeCommand) => target.start(id, shut(gate))
        if (name === 'openGate') return (id: string, gate?: BeforeCommand) => target.openGate(id, shut(gate))
        return target[name as keyof ContainerRuntime]
      },
    })
  }

  #count(): void {
    this.effects += 1
    if (this.isDead) this.#die(new Error('killed'))
  }

  #assertAlive(): void {
    if (this.isDead) throw new Error('killed')
  }
}

const runtimeEffects = [
  'create',
  'start',
  'openGate',
  'stop',
  'kill',
  'pause',
  'unpause',
  'update',
  'remove',
  'putArchive',
  'imageLoad',
  'imageImport',
  'imageRemove',
] as const

function testProcess(world: TestWorld, life: Life, config: Record<string, unknown>): TestProcess {
  const { clock } = world
  const db = life.guard(world.db, ['transaction'], ['as', 'onEmit'])
  const bus = createMemoryBus()
  const hosts = world.hosts.map((host): Host => ({
    ...host,
    runtime: life.guardRuntime(host.runtime),
    network: life.guard<HostNetwork>(host.network, ['plug', 'unplug']),
    volumes: life.guard<VolumeStore>(host.volumes, ['slot', 'plug', 'unplug', 'clear']),
  }))
  const instance = workloads.create({
    db,
    bus,
    clock,
    config,
    log: silentLog,
    metrics: createMetrics({ processMetrics: false }),
    dataDir: '',
    cloudId: 'cafe0000',
    region: 'R',
    masterKey: Buffer.alloc(32),
    policy: { check: () => true, explain: () => '' },
    hosts: { list: () => hosts, find: (name) => hosts.find((host) => host.name === name) },
    facades: {
      neutron: life.guard(world.ports.facade(), ['portStatus', 'portsBind']),
      glance: world.images.facade(),
      placement: createPlacementFacade(db),
    } as unknown as ServiceDeps['facades'],
  })
  const runner = createRunner({ controllers: instance.controllers, db, bus, clock, log: silentLog, owner: uuid() })
  const relay = createOutboxRelay({ db, bus, clock, log: silentLog })
  return {
    facade: instance.facade,
    runner,
    controllers: instance.controllers,
    life,
    hosts,
    async start() {
      await instance.start?.()
      relay.start()
      runner.start()
    },
    async stop() {
      await runner.stop()
      await instance.stop?.()
      await relay.stop()
      await bus.close()
    },
    async settle() {
      await instance.start?.()
      await runner.settle(20_000)
    },
  }
}

export const specOf = (change: Partial<WorkloadSpec> = {}): WorkloadSpec => ({
  version: 1,
  imageId: 'image',
  hostname: 'web',
  env: {},
  resources: { vcpus: 1, ramMiB: 64, diskGiB: 1 },
  claim: {},
  mounts: [],
  files: [],
  networkMode: 'tenant',
  restartPolicy: { name: 'no' },
  scheduling: {},
  labels: {},
  ...change,
})

/** Makes a workload with one port, as a façade service does. */
export async function createWorkload(
  world: TestWorld,
  facade: WorkloadsFacade,
  change: Partial<WorkloadSpec> = {},
  ports = 1,
): Promise<Workload> {
  const id = uuid()
  world.ports.add(id, ports)
  return await world.db.transaction((tx) =>
    facade.ensure(tx, { id, ownerService: 'nova', projectId: 'p', userId: 'u', name: 'web', spec: specOf(change) }),
  )
}
