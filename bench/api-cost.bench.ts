/** CPU per request of the hot reads, beside a bare Fastify that sends the same bytes, and real OpenStack's figures. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { figure, type Bench, type Figure } from './bench.ts'
import { startBare } from './support/bare-fastify.ts'
import { startCloud, type CloudProcess } from './support/cloud-process.ts'
import { bootPlan, serverCreate, serversDelete, untilAll } from './support/servers.ts'
import { eachAtATime } from './support/statistics.ts'

const servers = 100
const requests = 3000
/** A server runs for months: the figures are of compiled code, as its peers' are of imported modules. */
const warmUp = 1500
/** CPU ms a request of real OpenStack (Zed, two cores), as measured with its packages. */
const openstack = { list: 297.7, validate: 13.2 }

const cpuPerRequest = async (cpuMs: () => number, one: () => Promise<unknown>): Promise<number> => {
  await eachAtATime(Array.from({ length: warmUp }), 4, one)
  const before = cpuMs()
  await eachAtATime(Array.from({ length: requests }), 4, one)
  return (cpuMs() - before) / requests
}

type DataCloud = CloudProcess & { dataDir: string }

/** The cost of one GET here and of the same bytes from a bare Fastify. */
const compare = async (cloud: DataCloud, path: string, headers: Record<string, string> = {}) => {
  const sample = await cloud.ask('GET', path, undefined, headers)
  if (sample.status !== 200) throw new Error(`GET ${path} answered ${sample.status}`)
  const file = join(cloud.dataDir, 'sample.json')
  writeFileSync(file, JSON.stringify(sample.body))
  const bare = await startBare(file)
  const agent = new Agent({ connections: 4 })
  try {
    const askBare = async () => (await request(bare.url, { dispatcher: agent })).body.dump({ limit: 1e9 })
    const floor = await cpuPerRequest(bare.cpuMs, askBare)
    const value = await cpuPerRequest(cloud.cpuMs, () => cloud.ask('GET', path, undefined, headers))
    return { value, floor }
  } finally {
    await agent.close()
    bare.stop()
  }
}

interface Cost { value: number; floor: number }

const twice = (metric: string, { value, floor }: Cost, peer: number, fewer: number): Figure[] => [
  figure({
    bench: 'api-cost', metric: `${metric}, against bare Fastify`, unit: 'CPU ms',
    value, baseline: floor, goal: { of: 'ratio', is: 'at most', limit: 25 },
  }),
  figure({
    bench: 'api-cost', metric: `${metric}, against OpenStack`, unit: 'CPU ms',
    value, baseline: peer, goal: { of: 'ratio', is: 'at most', limit: 1 / fewer },
  }),
]

export const bench: Bench = {
  name: 'api-cost',
  about: `CPU time of GET /servers/detail with ${servers} servers and of token validation`,
  run: async () => {
    const cloud = await startCloud()
    try {
      const plan = await bootPlan(cloud)
      const project = (await cloud.ask('GET', '/identity/v3/projects?name=admin')).body.projects[0].id
      const unlimited = { quota_set: { instances: -1, cores: -1, ram: -1 } }
      await cloud.ask('PUT', `/compute/v2.1/os-quota-sets/${project}`, unlimited)
      const ids = await Promise.all(Array.from({ length: servers }, (_, at) => serverCreate(cloud, plan, `list-${at}`)))
      await untilAll(cloud, new Set(ids), 'ACTIVE')
      const list = await compare(cloud, '/compute/v2.1/servers/detail')
      const validate = await compare(cloud, '/identity/v3/auth/tokens', { 'x-subject-token': cloud.token() })
      await serversDelete(cloud, ids)
      return [
        ...twice('GET /servers/detail', list, openstack.list, 100),
        ...twice('token validate', validate, openstack.validate, 100),
      ]
    } finally {
      await cloud.stop()
      cloud.remove()
    }
  },
}
