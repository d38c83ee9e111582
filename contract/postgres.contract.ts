/** A cloud of many processes on PostgreSQL: each is killed in turn under load, and all of them are of one mind. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Api } from './support/api.ts'
import { eventually } from './support/eventually.ts'
import { ProcessesLab } from './support/processes-lab.ts'

const settled = { timeoutMs: 240_000, everyMs: 500 }
const workers = 8
const instancesMax = 40

interface Plan {
  imageRef: string
  flavorRef: string
  networks: { uuid: string }[]
}

describe('two APIs and two of the loops on PostgreSQL', { timeout: 900_000 }, () => {
  let lab: ProcessesLab
  /** Demo's and the administrator's sessions with each API. */
  let demo: Api[]
  let admin: Api[]
  let plan: Plan
  let made = 0

  before(async () => {
    lab = await ProcessesLab.create()
    demo = lab.apis.map((api) => new Api(api, 'quaystone'))
    admin = lab.apis.map((api) => new Api(api, 'quaystone-admin'))
    await eventually(settled, async () => {
      const { services } = (await admin[1]!.ask('GET', '/compute/v2.1/os-services?binary=nova-compute')).body
      assert.deepEqual(
        services.map((one: any) => `${one.host} ${one.state}`),
        ['harbour up'],
      )
    })
    plan = await bootPlan()
  })
  after(() => lab?.destroy())

  /** Says what the processes said when a story fails. */
  const story = (name: string, tell: () => Promise<void>): void => {
    test(name, async () => {
      try {
        await tell()
      } catch (error) {
        process.stderr.write(`${lab.logs()}\n`)
        throw error
      }
    })
  }

  const bootPlan = async (): Promise<Plan> => {
    const images = await eventually(settled, async () => {
      const found = (await demo[1]!.ask('GET', '/image/v2/images?status=active')).body.images
      assert.ok(found.length > 0, 'no image yet')
      return found
    })
    const { flavors } = (await demo[0]!.ask('GET', '/compute/v2.1/flavors')).body
    const { networks } = (await demo[0]!.ask('GET', '/network/v2.0/networks?name=private')).body
    const flavorRef = flavors.find((one: any) => one.name === 'm1.nano').id
    return { imageRef: images[0].id, flavorRef, networks: [{ uuid: networks[0].id }] }
  }

  const servers = async (): Promise<any[]> =>
    (await demo[0]!.ask('GET', '/compute/v2.1/servers/detail?limit=1000')).body.servers

  story('a quota set over one API is the other’s too, and so is a registered limit of images', async () => {
    const [first, second] = lab.apis
    const wide = ['--instances', String(instancesMax), '--cores', '100', '--ram', '100000']
    await lab.openstackText(first!, 'quota', 'set', ...wide, '--ports', '200', 'demo')
    const seen = await lab.openstack<{ instances: number; ports: number }>(second!, 'quota', 'show', 'demo')
    assert.deepEqual([seen.instances, seen.ports], [instancesMax, 200])
    const limit = ['--service', 'glance', '--region', 'RegionOne', '--default-limit', '77']
    await lab.openstack(second!, 'registered', 'limit', 'create', ...limit, 'image_count_total')
    await eventually(settled, async () => {
      const { usage } = (await demo[0]!.ask('GET', '/image/v2/info/usage')).body
      assert.equal(usage.image_count_total.limit, 77)
    })
  })

  story('a token is good at every API, and at none once it is revoked at one', async () => {
    const [first, second] = lab.apis
    const issued = await lab.openstack<{ id: string }>(first!, 'token', 'issue')
    const projects = (token: string) =>
      fetch(`${second!.url}/identity/v3/auth/projects`, { headers: { 'x-auth-token': token } })
    assert.equal((await projects(issued.id)).status, 200)
    const headers = { 'x-auth-token': issued.id, 'x-subject-token': issued.id }
    assert.equal((await fetch(`${first!.url}/identity/v3/auth/tokens`, { method: 'DELETE', headers })).status, 204)
    await eventually(settled, async () => assert.equal((await projects(issued.id)).status, 401))
  })

  /** By one API, or the other when that one is down: only one is at a time. */
  const removed = async (id: string, turn: number): Promise<void> => {
    const remove = (api: number) => demo[api % 2]!.ask('DELETE', `/compute/v2.1/servers/${id}`)
    await remove(turn).catch(() => remove(turn + 1))
  }

  /** One client that creates and deletes for as long as it is told, over both APIs; any of its requests may fail. */
  const churn = async (worker: number, going: () => boolean): Promise<void> => {
    for (let round = 0; going(); round++) {
      try {
        const server = { name: `churn-${worker}-${round}`, ...plan }
        const created = await demo[(worker + round) % 2]!.ask('POST', '/compute/v2.1/servers', { server })
        await sleep(Math.random() * 1_500)
        if (created.status !== 202) continue
        made++
        await removed(created.body.server.id, worker + round + 1)
      } catch {
        await sleep(200) // that API is down: that is what this story is about
      }
    }
  }

  /** What is still being deleted counts: there may be no room for it yet. */
  const kept = (index: number): Promise<void> =>
    eventually(settled, async () => {
      const server = { name: `kept-${index}`, ...plan }
      const { status, body } = await demo[index % 2]!.ask('POST', '/compute/v2.1/servers', { server })
      assert.equal(status, 202, JSON.stringify(body))
    })

  story('each process is killed under a burst of creates and deletes, and every server comes to rest', async () => {
    let going = true
    made = 0
    const clients = Array.from({ length: workers }, (_, worker) => churn(worker, () => going))
    try {
      for (const part of lab.parts) {
        await sleep(1_000 + Math.random() * 1_000)
        await lab.kill(part)
        await sleep(Math.random() * 1_000)
        await lab.start(part)
      }
    } finally {
      going = false
      await Promise.all(clients)
    }
    assert.ok(made > workers, `only ${made} servers were made`)
    for (let index = 0; index < 4; index++) await kept(index)
    await eventually(settled, async () => {
      const states = (await servers()).map(({ name, status, fault }) => `${name} ${status} ${fault?.message ?? ''}`)
      assert.deepEqual(
        states.filter((state) => !state.includes(' ACTIVE ')),
        [],
      )
    })
  })

  /** What Nova and Neutron say is in use, as each API says it, beside the rows that use it. */
  const assertCounted = async (): Promise<void> => {
    const rows = await servers()
    const [cores, ramMiB] = [rows.length, rows.reduce((sum, { flavor }) => sum + flavor.ram, 0)]
    const projectId = (await demo[0]!.ask('GET', '/identity/v3/auth/projects')).body.projects[0].id
    const { ports } = (await admin[0]!.ask('GET', `/network/v2.0/ports?project_id=${projectId}`)).body
    const own = ports.filter((port: any) => port.device_owner !== 'network:dhcp')
    for (const api of [0, 1]) {
      const { absolute } = (await demo[api]!.ask('GET', '/compute/v2.1/limits')).body.limits
      const { totalInstancesUsed, totalCoresUsed, totalRAMUsed } = absolute
      assert.deepEqual([totalInstancesUsed, totalCoresUsed, totalRAMUsed], [rows.length, cores, ramMiB])
      const { quota } = (await admin[api]!.ask('GET', `/network/v2.0/quotas/${projectId}/details`)).body
      assert.equal(quota.port.used, own.length)
    }
  }

  story('quota counts what there is, at both APIs', () => eventually(settled, assertCounted))

  story('once all is deleted, nothing of it is left in quota, in Placement or on the host', async () => {
    const gone = (await servers()).map(({ id }, index) =>
      demo[index % 2]!.ask('DELETE', `/compute/v2.1/servers/${id}`),
    )
    for (const { status } of await Promise.all(gone)) assert.equal(status, 204)
    await eventually(settled, async () => assert.deepEqual(await servers(), []))
    await eventually(settled, assertCounted)
    await eventually(settled, async () => {
      const [provider] = (await admin[0]!.ask('GET', '/placement/resource_providers')).body.resource_providers
      const { usages } = (await admin[1]!.ask('GET', `/placement/resource_providers/${provider.uuid}/usages`)).body
      assert.deepEqual(
        Object.values(usages).filter((used) => used !== 0),
        [],
      )
    })
    await eventually(settled, async () => {
      const { body } = await admin[1]!.ask('GET', '/admin/doctor')
      assert.deepEqual([body.leaks, body.stuck, body.hostsSilent], [[], [], []])
    })
  })
})
