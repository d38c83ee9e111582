/** 200 servers asked for at once, beside the plain Docker API at its best concurrency. */
import { figure, type Bench } from './bench.ts'
import { startCloud } from './support/cloud-process.ts'
import { plainDocker, type PlainDocker } from './support/plain-docker.ts'
import { bootPlan, serverCreate, serversDelete, untilAll } from './support/servers.ts'
import { eachAtATime } from './support/statistics.ts'

const servers = 200
const plainContainers = 60

/** Containers a second at the best of a few concurrencies. */
const bestPlain = async (docker: PlainDocker, image: string, say: (line: string) => void): Promise<number> => {
  let best = 0
  for (const width of [2, 4, 8, 16]) {
    const started = performance.now()
    const ids = await eachAtATime(Array.from({ length: plainContainers }), width, () => docker.run(image))
    const perSecond = ids.length / ((performance.now() - started) / 1000)
    say(`plain Docker API, ${width} at a time: ${perSecond.toFixed(1)} a second`)
    best = Math.max(best, perSecond)
    await eachAtATime(ids, 4, docker.remove)
  }
  return best
}

export const bench: Bench = {
  name: 'server-burst',
  about: `${servers} concurrent creates until all are ACTIVE, against the plain Docker API at its best concurrency`,
  run: async ({ say }) => {
    const cloud = await startCloud()
    const docker = await plainDocker()
    try {
      const unlimited = { quota_set: { instances: -1, cores: -1, ram: -1 } }
      await cloud.ask('PUT', `/compute/v2.1/os-quota-sets/${await projectId(cloud)}`, unlimited)
      const plan = await bootPlan(cloud)
      const warm = await serverCreate(cloud, plan, 'warm')
      await untilAll(cloud, new Set([warm]), 'ACTIVE')
      const baseline = await bestPlain(docker, `quaystone/${plan.imageId}:latest`, say)
      const started = performance.now()
      const cpuBefore = cloud.cpuMs()
      const names = Array.from({ length: servers }, (_, at) => `burst-${at}`)
      const ids = await Promise.all(names.map((name) => serverCreate(cloud, plan, name)))
      await untilAll(cloud, new Set(ids), 'ACTIVE')
      const perSecond = servers / ((performance.now() - started) / 1000)
      const cpuMs = (cloud.cpuMs() - cpuBefore) / servers
      const deleting = performance.now()
      await serversDelete(cloud, [...ids, warm])
      say(`deleted ${ids.length + 1} in ${((performance.now() - deleting) / 1000).toFixed(1)} s`)
      return [
        figure({
          bench: 'server-burst', metric: 'own CPU a server, list polling included', unit: 'ms',
          value: cpuMs,
          goal: { of: 'value', is: 'at most', limit: 15 },
        }),
        figure({
          bench: 'server-burst', metric: `${servers} concurrent creates`, unit: 'servers/s',
          value: perSecond, baseline,
          goal: { of: 'ratio', is: 'at least', limit: 0.85 },
        }),
      ]
    } finally {
      await docker.close()
      await cloud.stop()
      cloud.remove()
    }
  },
}

const projectId = async (cloud: { ask: (method: string, path: string) => Promise<{ body: any }> }): Promise<string> =>
  (await cloud.ask('GET', '/identity/v3/projects?name=admin')).body.projects[0].id
