/** The host network with many ports: what one more costs beside ten, a hundred and a thousand, and what all cost. */
/* What is done once is told as it took; of what is done in rounds the fastest: the machine does other things too. */
import type {
  HostNetworkState,
  WantedNetwork,
  WantedPort,
  WantedSecurityGroup,
} from '../packages/server/src/services/neutron/ports.ts'
import { figure, type Bench, type Figure } from './bench.ts'
import { networkLab, type NetworkLab } from './support/network-lab.ts'
import { elapsed } from './support/statistics.ts'

const rounds = 15
const sizes = [10, 100, 1000]
const members = 500
const networks = 100

export const bench: Bench = {
  name: 'net-ports',
  about: 'one more port beside 10, 100 and 1,000; resync of 1,000 ports and of 100 networks; a group of 500 members',
  run: async ({ say }) => {
    const lab = await networkLab({ withDocker: false })
    try {
      const figures = await oneNetwork(lab, say)
      say(`${networks} networks`)
      return [...figures, ...(await manyNetworks(lab))]
    } finally {
      await lab.close()
    }
  },
}

const fastest = async (work: () => Promise<number>): Promise<number> => {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) times.push(await work())
  return Math.min(...times)
}

const inMs = (metric: string, value: number, limit: number): Figure =>
  figure({ bench: 'net-ports', metric, unit: 'ms', value, goal: { of: 'value', is: 'at most', limit } })

/** Namespaces without processes stand for containers: the kernel does the same work for them. */
class Crowd {
  readonly #lab: NetworkLab
  readonly #network: WantedNetwork
  readonly #friends: WantedSecurityGroup
  readonly #group: WantedSecurityGroup
  readonly #ports: WantedPort[] = []

  constructor(lab: NetworkLab) {
    this.#lab = lab
    this.#network = lab.network()
    const ips = Array.from({ length: members }, (_, at) => `10.200.${at >> 8}.${at & 255}`)
    this.#friends = lab.group([], ips)
    this.#group = lab.group([{ remoteGroupId: this.#friends.id }])
  }

  /** Fresh namespaces, nothing plugged. */
  async grow(size: number): Promise<void> {
    this.#ports.push(...(await this.#lab.namespaces(size - this.#ports.length)).map(this.#port))
  }

  readonly #port = (netns: string): WantedPort =>
    this.#lab.port(this.#network, netns, { securityGroupIds: [this.#group.id] })

  wanted(change: { member?: string; rule?: number } = {}): HostNetworkState {
    const friends = {
      ...this.#friends,
      memberIps: [...this.#friends.memberIps, ...(change.member ? [change.member] : [])],
    }
    const rule = { id: String(change.rule), direction: 'ingress', etherType: 'IPv4', protocol: 'tcp' } as const
    const rules = change.rule ? [{ ...rule, portMin: change.rule, portMax: change.rule }] : []
    const group = { ...this.#group, rules: [...this.#group.rules, ...rules] }
    return { networks: [this.#network], ports: [...this.#ports], routers: [], securityGroups: [group, friends] }
  }

  /** Milliseconds until packets may flow; the port goes again. */
  async onePort(): Promise<number> {
    const port = this.#port((await this.#lab.namespaces(1))[0] ?? '')
    const tookMs = await elapsed(() => this.#lab.host.plug(this.#network, port, [this.#group, this.#friends]))
    await this.#lab.host.unplug(port.id, this.#network.id)
    return tookMs
  }
}

async function oneNetwork(lab: NetworkLab, say: (line: string) => void): Promise<Figure[]> {
  const crowd = new Crowd(lab)
  const sync = (change?: Parameters<Crowd['wanted']>[0]) => elapsed(() => lab.host.sync(crowd.wanted(change)))
  const plugs: number[] = []
  let fullMs = 0
  for (const size of sizes) {
    say(`${size} ports on one network`)
    await crowd.grow(size)
    await lab.host.sync({ networks: [], ports: [], routers: [], securityGroups: [] })
    fullMs = await sync()
    plugs.push(await fastest(() => crowd.onePort()))
  }
  const idleMs = await fastest(() => sync())
  let turn = 0
  const memberMs = await fastest(() => sync({ member: `10.201.0.${++turn}` }))
  const ruleMs = await fastest(() => sync({ rule: 1000 + ++turn }))
  const [few = 0, some = 0, many = 0] = plugs
  const growth = (metric: string, value: number) =>
    figure({
      bench: 'net-ports',
      metric,
      unit: 'ms',
      value,
      baseline: few,
      goal: { of: 'ratio', is: 'at most', limit: 1.5 },
    })
  return [
    inMs('1,000 ports from nothing', fullMs, 10_000),
    inMs('look at 1,000 ports, nothing to do', idleMs, 250),
    growth('one more port beside 100 (10: baseline)', some),
    growth('one more port beside 1,000 (10: baseline)', many),
    inMs('a member more in a group of 500, look included', memberMs, 750),
    inMs('a rule more for 1,000 ports, look included', ruleMs, 750),
  ]
}

/** One port on each of many networks: what namespaces cost. */
async function manyNetworks(lab: NetworkLab): Promise<Figure[]> {
  const group = lab.group([])
  const all = Array.from({ length: networks }, () => lab.network())
  const places = await lab.namespaces(networks)
  const ports = all.map((network, at) => lab.port(network, places[at] ?? '', { securityGroupIds: [group.id] }))
  const wanted = { networks: all, ports, routers: [], securityGroups: [group] }
  const fullMs = await elapsed(() => lab.host.sync(wanted))
  const idleMs = await fastest(() => elapsed(() => lab.host.sync(wanted)))
  return [
    inMs('100 networks of one port from nothing', fullMs, 10_000),
    inMs('look at 100 networks, nothing to do', idleMs, 1_000),
  ]
}
