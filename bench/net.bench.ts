/** The host network: one port beside Docker's own, a thousand ports, a group of 500 members, and bytes per second. */
import type { WantedNetwork, WantedPort, WantedSecurityGroup } from '../packages/server/src/services/neutron/ports.ts'
import { figure, type Bench, type Figure } from './bench.ts'
import { networkLab, type NetworkLab } from './support/network-lab.ts'
import { median } from './support/statistics.ts'

const rounds = 20
const many = 1000
const members = 500

export const bench: Bench = {
  name: 'net',
  about: 'port plug against `docker network connect`, resync of 1,000 ports, a group of 500 members, throughput',
  run: async ({ say }) => {
    const lab = await networkLab()
    try {
      say('ports into containers')
      const figures = await plugBesideDocker(lab)
      say('bytes between containers')
      figures.push(await throughput(lab))
      say(`${many} ports on one host`)
      return [...figures, ...(await manyPorts(lab))]
    } finally {
      await lab.close()
    }
  },
}

const elapsed = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now()
  await work()
  return performance.now() - started
}

async function plugBesideDocker(lab: NetworkLab): Promise<Figure[]> {
  const network = lab.network()
  const group = lab.group([])
  const [ours, docker]: [number[], number[]] = [[], []]
  for (let round = -2; round < rounds; round++) {
    const container = await lab.docker.run('none')
    const port = lab.port(network, container.netns, { securityGroupIds: [group.id] })
    const tookMs = await elapsed(() => lab.host.plug(network, port, [group]))
    const other = await lab.docker.run('bridge')
    const dockerMs = await elapsed(() => lab.docker.connect(other.id))
    if (round >= 0) {
      ours.push(tookMs)
      docker.push(dockerMs)
    }
  }
  return [
    figure({
      bench: 'net',
      metric: 'port plug, median',
      unit: 'ms',
      value: median(ours),
      baseline: median(docker),
      goal: { of: 'ratio', is: 'at most', limit: 0.5 },
    }),
  ]
}

async function throughput(lab: NetworkLab): Promise<Figure> {
  const network = lab.network()
  const group = lab.group([])
  const ends = [await lab.docker.run('none'), await lab.docker.run('none')]
  const ports = ends.map((end) => lab.port(network, end.netns, { securityGroupIds: [group.id] }))
  for (const port of ports) await lab.host.plug(network, port, [group])
  const peers = [await lab.docker.run('bridge'), await lab.docker.run('bridge')]
  const [ours, docker]: [number[], number[]] = [[], []]
  for (let round = 0; round < 3; round++) {
    ours.push(await lab.gigabits(ends[0]!.netns, ends[1]!.netns, ports[1]!.addresses[0]!.ip))
    docker.push(await lab.gigabits(peers[0]!.netns, peers[1]!.netns, peers[1]!.address))
  }
  return figure({
    bench: 'net',
    metric: 'TCP between containers, filtered',
    unit: 'Gbit/s',
    value: median(ours),
    baseline: median(docker),
    goal: { of: 'ratio', is: 'at least', limit: 0.85 },
  })
}

/** Namespaces without processes stand for containers: the kernel does the same work for them. */
async function manyPorts(lab: NetworkLab): Promise<Figure[]> {
  const network = lab.network()
  const friends = lab.group(
    [],
    Array.from({ length: members }, (_, at) => `10.200.${at >> 8}.${at & 255}`),
  )
  const group: WantedSecurityGroup = lab.group([{ remoteGroupId: friends.id }])
  const groups = [group, friends]
  const list = { securityGroupIds: [group.id] }
  const plugs = async (): Promise<number> => {
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const port = lab.port(network, (await lab.namespaces(1))[0] ?? '', list)
      times.push(await elapsed(() => lab.host.plug(network, port, groups)))
      await lab.host.unplug(port.id, network.id)
    }
    return median(times.slice(2))
  }
  const few = await plugs()
  const ports = await portsOf(lab, network, list)
  const wanted = { networks: [network], ports, routers: [], securityGroups: groups }
  const fullMs = await elapsed(() => lab.host.sync(wanted))
  const idle: number[] = []
  for (let round = 0; round < 5; round++) idle.push(await elapsed(() => lab.host.sync(wanted)))
  const onePort = await plugs()
  const longer = { ...friends, memberIps: [...friends.memberIps, '10.201.0.1'] }
  const memberMs = await elapsed(() => lab.host.sync({ ...wanted, securityGroups: [group, longer] }))
  return [
    figure({
      bench: 'net',
      metric: `${many} ports from nothing`,
      unit: 'ms',
      value: fullMs,
      goal: { of: 'value', is: 'at most', limit: 15_000 },
    }),
    figure({
      bench: 'net',
      metric: `look at ${many} ports, nothing to do`,
      unit: 'ms',
      value: median(idle),
      goal: { of: 'value', is: 'at most', limit: 1000 },
    }),
    figure({
      bench: 'net',
      metric: `one more port beside ${many}`,
      unit: 'ms',
      value: onePort,
      baseline: few,
      goal: { of: 'ratio', is: 'at most', limit: 1.5 },
    }),
    figure({
      bench: 'net',
      metric: `one more member in a group of ${members}, looking included`,
      unit: 'ms',
      value: memberMs,
      baseline: median(idle),
      goal: { of: 'ratio', is: 'at most', limit: 3 },
    }),
  ]
}

const portsOf = async (lab: NetworkLab, network: WantedNetwork, list: Partial<WantedPort>): Promise<WantedPort[]> =>
  (await lab.namespaces(many)).map((netns) => lab.port(network, netns, list))
