/** The host network beside Docker's own, with containers: one port, and bytes per second. */
import { spawnSync } from 'node:child_process'
import { figure, type Bench, type Figure } from './bench.ts'
import { networkLab, type NetworkLab } from './support/network-lab.ts'
import { elapsed, median } from './support/statistics.ts'

const rounds = 20

export const bench: Bench = {
  name: 'net',
  about: 'port plug against `docker network connect`, and throughput against its bridge',
  run: async ({ say }) => {
    const lab = await networkLab()
    try {
      say('ports into containers')
      const figures = await plugBesideDocker(lab)
      if (spawnSync('iperf3', ['--version']).error) {
        say('bytes between containers: left out, since there is no iperf3 here (apt-get install iperf3)')
        return figures
      }
      say('bytes between containers')
      return [...figures, await throughput(lab)]
    } finally {
      await lab.close()
    }
  },
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
