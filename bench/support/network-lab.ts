/** Containers, namespaces and a driver of the real host network for the benchmark, all of them removed at the end. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import { createLinuxNet } from '../../packages/server/src/drivers/linux-net/linux-net.ts'
import { macFromBytes } from '../../packages/server/src/engines/cidr/mac.ts'
import { systemClock } from '../../packages/server/src/platform/clock/clock.ts'
import { silentLog } from '../../packages/server/src/platform/log/log.ts'
import type {
  HostNetwork,
  WantedNetwork,
  WantedPort,
  WantedRule,
  WantedSecurityGroup,
} from '../../packages/server/src/services/neutron/ports.ts'

const run = promisify(execFile)

export interface Container {
  id: string
  netns: string
  address: string
}

export interface NetworkLab {
  readonly host: HostNetwork
  readonly docker: {
    run(network: 'none' | 'bridge'): Promise<Container>
    connect(containerId: string): Promise<void>
  }
  network(): WantedNetwork
  /** Egress is open; `ingress` empty means all. */
  group(ingress: Partial<WantedRule>[], memberIps?: string[]): WantedSecurityGroup
  port(network: WantedNetwork, netns: string, change: Partial<WantedPort>): WantedPort
  /** Network namespaces without processes: their paths. */
  namespaces(count: number): Promise<string[]>
  /** TCP from one namespace to an address in another, for two seconds. */
  gigabits(from: string, to: string, address: string): Promise<number>
  close(): Promise<void>
}

/** @param withDocker false: there will be no containers, and `docker` is not to be used. */
export async function networkLab({ withDocker = true } = {}): Promise<NetworkLab> {
  const mark = randomUUID().slice(0, 8)
  const host = createLinuxNet({ cloudId: `bench-${mark}`, log: silentLog, clock: systemClock })
  const docker = withDocker ? await dockerLab(mark) : noDocker
  const namespaces: string[] = []
  let count = 0
  return {
    host,
    docker,
    network: () => networkOf(++count),
    group: (ingress, memberIps = []) => groupOf(ingress, memberIps),
    port: (network, netns, change) => portOf(network, { netns, last: ++count, change }),
    namespaces: async (count) => {
      const fresh = Array.from({ length: count }, (_, at) => `qbench-${mark}-${namespaces.length + at}`)
      namespaces.push(...fresh)
      await runScript(fresh.map((name) => `ip netns add ${name}`))
      return fresh.map((name) => `/run/netns/${name}`)
    },
    gigabits,
    close: async () => {
      for (let times = 0; times < 2; times++)
        await host.sync({ networks: [], ports: [], routers: [], securityGroups: [] })
      await runScript(namespaces.map((name) => `ip netns del ${name}`))
      await docker.close()
    },
  }
}

const absent = (): never => {
  throw new Error('This laboratory has no Docker')
}
const noDocker = { run: absent, connect: absent, close: async () => undefined }

/** One shell for many commands. */
const runScript = async (lines: string[]): Promise<void> => {
  const child = spawn('sh', ['-e', '-s'], { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(lines.join('\n'))
  await new Promise((resolve) => child.once('close', resolve))
}

const networkOf = (count: number): WantedNetwork => {
  const subnet = {
    id: randomUUID(),
    cidr: '10.199.0.0/16',
    gatewayIp: '10.199.0.1',
    dnsNameservers: [],
    hostRoutes: [],
    enableDhcp: true,
  }
  return {
    id: randomUUID(),
    segmentationId: count,
    mtu: 1500,
    external: false,
    reachableFromHost: false,
    subnets: [subnet],
    hostAddresses: [{ cidr: '10.199.0.2/16' }, { cidr: '169.254.169.254/32' }],
    remotes: [],
    names: [],
  }
}

const groupOf = (ingress: Partial<WantedRule>[], memberIps: string[]): WantedSecurityGroup => ({
  id: randomUUID(),
  stateful: true,
  memberIps,
  rules: [{ direction: 'egress' as const }, ...(ingress.length > 0 ? ingress : [{}])].map((rule) => ({
    id: randomUUID(),
    direction: 'ingress',
    etherType: 'IPv4',
    ...rule,
  })),
})

const portOf = (
  network: WantedNetwork,
  { netns, last, change }: { netns: string; last: number; change: Partial<WantedPort> },
): WantedPort => ({
  id: randomUUID(),
  networkId: network.id,
  mac: macFromBytes(randomBytes(3)),
  mtu: network.mtu,
  adminUp: true,
  portSecurity: true,
  addresses: [
    { ip: `10.199.${(last >> 8) + 1}.${last & 255}`, subnetId: network.subnets[0]?.id ?? '', prefixLength: 16 },
  ],
  allowedAddressPairs: [],
  securityGroupIds: [],
  device: 'eth0',
  primary: true,
  sandbox: { workloadId: randomUUID(), pid: 0, netns },
  ...change,
})

async function gigabits(from: string, to: string, address: string): Promise<number> {
  const server = spawn('nsenter', [`--net=${to}`, 'iperf3', '-s', '-1', '--forceflush'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise((resolve) => server.stdout.once('data', resolve))
  const { stdout } = await run('nsenter', [`--net=${from}`, 'iperf3', '-c', address, '-t', '2', '-J'])
  const answer = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } }
  return answer.end.sum_received.bits_per_second / 1e9
}

/** Docker by its API, as plainly as possible: its command would add its own start to each figure. */
async function dockerLab(mark: string) {
  const socketPath = (process.env['DOCKER_HOST'] ?? '/var/run/docker.sock').replace(/^unix:\/\//, '')
  const pool = new Pool('http://docker', { socketPath })
  const call = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<any> => {
    const headers = { 'content-type': 'application/json' }
    const answer = await pool.request({
      path,
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
    return text.startsWith('{') ? JSON.parse(text) : {}
  }
  const image = `quaystone-bench-net:${mark}`
  await run('sh', ['-c', `tar -C /bin -c busybox | docker import - ${image}`])
  const [base, extra] = [`qbench-${mark}-a`, `qbench-${mark}-b`]
  for (const Name of [base, extra]) await call('POST', '/networks/create', { Name, Driver: 'bridge' })
  const ids: string[] = []
  return {
    run: async (network: 'none' | 'bridge'): Promise<Container> => {
      const NetworkMode = network === 'none' ? 'none' : base
      const { Id } = await call('POST', '/containers/create', {
        Image: image,
        Cmd: ['/busybox', 'sleep', '1000'],
        HostConfig: { NetworkMode },
      })
      ids.push(Id)
      await call('POST', `/containers/${Id}/start`)
      const { State, NetworkSettings } = await call('GET', `/containers/${Id}/json`)
      return {
        id: Id,
        netns: `/proc/${State.Pid}/ns/net`,
        address: NetworkSettings.Networks[NetworkMode]?.IPAddress ?? '',
      }
    },
    connect: async (containerId: string): Promise<void> => {
      await call('POST', `/networks/${extra}/connect`, { Container: containerId })
    },
    close: async (): Promise<void> => {
      for (const id of ids) await call('DELETE', `/containers/${id}?force=true`)
      for (const name of [base, extra]) await call('DELETE', `/networks/${name}`)
      await run('docker', ['rmi', image])
      await pool.close()
    },
  }
}
