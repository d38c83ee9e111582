/** A laboratory for the host tests: a private "host" namespace, sandboxes that play containers, and real packets. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { promisify } from 'node:util'
import { macFromBytes } from '#engines/cidr/mac.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import type {
  HostNetwork,
  HostNetworkState,
  WantedNetwork,
  WantedPort,
  WantedRule,
  WantedSecurityGroup,
} from '#services/neutron/ports.ts'
import { createLinuxNet } from './linux-net.ts'
import type { Underlay } from './vxlan-plan.ts'
import { namesOf, namespacePath, type Names } from './names.ts'

const run = promisify(execFile)

export interface Sandbox {
  id: string
  pid: number
  netns: string
}
export interface Answer {
  ok: boolean
  output: string
}

/** Says when bytes flow, from now on, and when they no longer do. */
export interface Stream {
  flowing(): Promise<void>
  stalled(): Promise<void>
}

/** Why these tests cannot run here, or false. */
export const labIsMissing: string | false =
  process.getuid?.() === 0 && process.platform === 'linux' ? false : 'needs root on Linux'

export class Lab {
  readonly cloud: string
  readonly names: Names
  readonly hostName: string
  readonly host: HostNetwork
  readonly #children: ChildProcess[] = []

  private constructor(hostId: string, cloud: string, underlay?: Underlay) {
    this.cloud = cloud
    this.hostName = `qlab-${this.cloud}-${hostId}`
    this.names = namesOf({ cloud: this.cloud, host: hostId })
    this.host = this.open(hostId, underlay)
  }

  /** @param peer a lab whose cloud this host joins; @param underlay its address between the hosts. */
  static async create(hostId = 'h1', { peer, underlay }: { peer?: Lab; underlay?: Underlay } = {}): Promise<Lab> {
    const lab = new Lab(hostId, peer?.cloud ?? randomUUID().slice(0, 8), underlay)
    await run('ip', ['netns', 'add', lab.hostName])
    await run('ip', ['-n', lab.hostName, 'link', 'set', 'lo', 'up'])
    return lab
  }

  /** Another driver over the same host, as after a restart of the process: it remembers nothing. */
  open(hostId = 'h1', underlay?: Underlay): HostNetwork {
    return createLinuxNet({
      cloudId: this.cloud,
      hostId,
      log: silentLog,
      clock: systemClock,
      hostNamespace: namespacePath(this.hostName),
      ...(underlay ? { underlay } : {}),
    })
  }

  /** A process in a network namespace of its own: what a container is to us. */
  async sandbox(): Promise<Sandbox> {
    const child = spawn('unshare', ['-n', 'sleep', 'infinity'], { stdio: 'ignore' })
    this.#children.push(child)
    const pid = child.pid ?? 0
    await until(() => readNamespace(pid) !== readNamespace(process.pid))
    return { id: randomUUID(), pid, netns: `/proc/${pid}/ns/net` }
  }

  async kill(sandbox: Sandbox): Promise<void> {
    const child = this.#children.find((each) => each.pid === sandbox.pid)
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    child?.kill('SIGKILL')
    await ended
  }

  /** A command in a namespace: never throws, so that refusals can be asserted. */
  async in(netns: string, ...command: string[]): Promise<Answer> {
    try {
      const { stdout, stderr } = await run('nsenter', [`--net=${netns}`, ...command])
      return { ok: true, output: stdout + stderr }
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      return { ok: false, output: stdout + stderr }
    }
  }

  namespace(): string {
    return namespacePath(this.hostName)
  }

  async pings(from: Sandbox | string, address: string): Promise<boolean> {
    const netns = typeof from === 'string' ? from : from.netns
    return (await this.in(netns, 'ping', '-n', '-c1', '-W1', address)).ok
  }

  /** Listens in a sandbox until the lab closes; answers each TCP connection with `text`. */
  async listen(at: Sandbox | string, port: number, text = 'hello'): Promise<void> {
    await this.#serve(typeof at === 'string' ? at : at.netns, serverScript(`s.end(${JSON.stringify(text)})`, port))
  }

  /** Answers each TCP connection with the address it came from. */
  async listenForPeer(at: Sandbox, port: number): Promise<void> {
    await this.#serve(at.netns, serverScript('s.end(s.remoteAddress)', port))
  }

  async #serve(netns: string, script: string): Promise<void> {
    const command = [`--net=${netns}`, process.execPath, '-e', script]
    const child = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#children.push(child)
    await new Promise((resolve) => child.stdout?.once('data', resolve))
  }

  /** A cable between two namespaces. */
  async wire(left: string, leftCidr: string, right: string, rightCidr: string): Promise<void> {
    const name = `w${randomBytes(4).toString('hex')}`
    await this.in(
      left,
      'ip',
      'link',
      'add',
      'name',
      `${name}l`,
      'type',
      'veth',
      'peer',
      'name',
      `${name}r`,
      'netns',
      right,
    )
    await this.in(left, 'ip', 'addr', 'add', leftCidr, 'dev', `${name}l`)
    await this.in(right, 'ip', 'addr', 'add', rightCidr, 'dev', `${name}r`)
    await this.in(left, 'ip', 'link', 'set', 'dev', `${name}l`, 'up')
    await this.in(right, 'ip', 'link', 'set', 'dev', `${name}r`, 'up')
  }

  /** A cable from this host to a bridge in another namespace: its way to the other hosts. */
  async uplink(fabric: string, bridge: string, cidr: string): Promise<void> {
    const far = `u${randomBytes(4).toString('hex')}`
    await this.in(
      this.namespace(),
      'ip',
      'link',
      'add',
      'name',
      'up0',
      'index',
      '9999',
      'type',
      'veth',
      'peer',
      'name',
      far,
      'netns',
      fabric,
    )
    await this.in(this.namespace(), 'ip', 'addr', 'add', cidr, 'dev', 'up0')
    await this.in(this.namespace(), 'ip', 'link', 'set', 'dev', 'up0', 'up')
    await this.in(fabric, 'ip', 'link', 'set', 'dev', far, 'master', bridge, 'up')
  }

  /** What a TCP listener answers, or an empty text. */
  async asks(from: Sandbox | string, address: string, port: number): Promise<string> {
    const netns = typeof from === 'string' ? from : from.netns
    return (await this.in(netns, 'nc', '-d', '-w1', address, String(port))).output
  }

  /** A connection on which the server speaks all the time; the client of UDP speaks only once. */
  stream(from: Sandbox, to: Sandbox, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): Stream {
    const { server, client } = streamScripts[protocol]
    let received = 0
    this.#spawnIn(to, server(port)).stdout?.once('data', () => {
      this.#spawnIn(from, client(port, address)).stdout?.on('data', (chunk: Buffer) => {
        received += chunk.length
      })
    })
    return {
      flowing: () => {
        const before = received
        return until(() => received > before + 5)
      },
      stalled: () =>
        until(async () => {
          const before = received
          await systemClock.sleep(300)
          return received === before
        }),
    }
  }

  #spawnIn(sandbox: Sandbox, script: string): ChildProcess {
    const child = spawn('nsenter', [`--net=${sandbox.netns}`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#children.push(child)
    return child
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    // Twice: a port that was plugged since the last sync is reaped by the second at the earliest.
    for (let times = 0; times < 2; times++) await this.host.sync(noState())
    await run('ip', ['netns', 'del', this.hostName]).catch(() => undefined)
  }
}

/** A TCP server in one line: what it does with each connection `s`. It says when it listens. */
const serverScript = (work: string, port: number): string =>
  `const server = require('net').createServer((s) => { s.on('error', () => {}); ${work} })
   server.listen({ port: ${port}, host: '::' }, () => console.log('up'))`

const streamScripts = {
  tcp: {
    server: (port: number) => serverScript("setInterval(() => s.write('x'), 20)", port),
    client: (port: number, address: string) =>
      `require('net').connect(${port}, '${address}').on('error', () => {}).pipe(process.stdout)`,
  },
  udp: {
    server: (port: number) => `const socket = require('dgram').createSocket('udp4')
      socket.on('error', () => {})
      socket.on('message', (_, peer) => setInterval(() => socket.send('x', peer.port, peer.address), 20))
      socket.bind(${port}, () => console.log('up'))`,
    client: (port: number, address: string) => `const socket = require('dgram').createSocket('udp4')
      socket.on('error', () => {}).on('message', (text) => process.stdout.write(text))
      socket.send('?', ${port}, '${address}')`,
  },
}

const readNamespace = (pid: number): string => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return ''
  }
}

/** Waits for a state, looking every few milliseconds. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 5000): Promise<void> {
  const end = systemClock.now() + withinMs
  while (!(await condition())) {
    if (systemClock.now() > end) throw new Error('the state did not come')
    await systemClock.sleep(20)
  }
}

export const noState = (): HostNetworkState => ({ networks: [], ports: [], routers: [], securityGroups: [] })

/** A network 10.`seed`.0.0/24 with its DHCP address .2 and metadata address. */
export function labNetwork(change: Partial<WantedNetwork> = {}, cidr = '10.9.0.0/24'): WantedNetwork {
  const base = cidr.split('.').slice(0, 3).join('.')
  return {
    id: randomUUID(),
    segmentationId: 100 + randomBytes(2).readUInt16BE(),
    mtu: 1450,
    external: false,
    subnets: [
      { id: randomUUID(), cidr, gatewayIp: `${base}.1`, dnsNameservers: [], hostRoutes: [], enableDhcp: true },
    ],
    hostAddresses: [{ cidr: `${base}.2/24` }, { cidr: '169.254.169.254/32' }],
    remotes: [],
    names: [],
    ...change,
  }
}

/** A port on the network's first subnet with the address that ends in `last`. */
export function labPort(network: WantedNetwork, last: number, change: Partial<WantedPort> = {}): WantedPort {
  const subnet = network.subnets[0]
  const base = subnet?.cidr.split('.').slice(0, 3).join('.')
  return {
    id: randomUUID(),
    networkId: network.id,
    mac: macFromBytes(randomBytes(3)),
    addresses: [{ ip: `${base}.${last}`, subnetId: subnet?.id ?? '', prefixLength: 24 }],
    mtu: network.mtu,
    adminUp: true,
    portSecurity: true,
    allowedAddressPairs: [],
    securityGroupIds: [],
    device: 'eth0',
    primary: true,
    ...change,
  }
}

export const inSandbox = (port: WantedPort, sandbox: Sandbox): WantedPort => ({
  ...port,
  sandbox: { workloadId: sandbox.id, pid: sandbox.pid, netns: sandbox.netns },
})

export function labGroup(rules: Partial<WantedRule>[], memberIps: string[] = []): WantedSecurityGroup {
  return {
    id: randomUUID(),
    stateful: true,
    memberIps,
    rules: rules.map((rule) => ({ id: randomUUID(), direction: 'ingress', etherType: 'IPv4', ...rule })),
  }
}

/** Neutron's default egress: everything. */
export const allEgress: Partial<WantedRule>[] = [{ direction: 'egress' }, { direction: 'egress', etherType: 'IPv6' }]
export const openGroup = (): WantedSecurityGroup => labGroup([...allEgress, {}, { etherType: 'IPv6' }])
