/** Volumes on two hosts: one is placed with its server, follows to the other host, and outlives agents. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Api } from './support/api.ts'
import { eventually } from './support/eventually.ts'
import { HostsLab, type LabHost } from './support/hosts-lab.ts'

const slow = { timeoutMs: 180_000, everyMs: 500 }
const mountPath = '/mnt/volumes/vdb'

interface Server {
  id: string
  host: LabHost
}

describe('volumes on two hosts', { timeout: 1_200_000 }, () => {
  let lab: HostsLab
  let demo: Api
  let admin: Api
  let here: Server
  let there: Server
  let volumeId: string

  before(async () => {
    lab = await HostsLab.create()
    demo = new Api(lab, 'quaystone')
    admin = new Api(lab, 'quaystone-admin')
    const token = (await lab.quaystone('hosts', 'token')).trim()
    for (const name of ['h1', 'h2']) await lab.addHost(name, token)
    await eventually(slow, async () => {
      const { services } = (await admin.ask('GET', '/compute/v2.1/os-services?binary=nova-compute')).body
      assert.deepEqual(services.map(({ host, state }: any) => `${host} ${state}`).sort(), ['h1 up', 'h2 up'])
      assert.equal((await demo.ask('GET', '/image/v2/images?status=active')).body.images.length, 1)
    })
  })
  after(() => lab?.destroy())

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

  /** Placed where the administrator says. */
  async function boot(name: string, host: string): Promise<Server> {
    const [image] = (await demo.ask('GET', '/image/v2/images?status=active')).body.images
    const { flavors } = (await demo.ask('GET', '/compute/v2.1/flavors')).body
    const flavorRef = flavors.find((one: any) => one.name === 'm1.nano').id
    const server = { name, imageRef: image.id, flavorRef, networks: 'none', availability_zone: `nova:${host}` }
    const { status, body } = await admin.ask('POST', '/compute/v2.1/servers', { server })
    assert.equal(status, 202, JSON.stringify(body))
    await eventually(slow, async () => {
      const now = (await admin.ask('GET', `/compute/v2.1/servers/${body.server.id}`)).body.server
      assert.equal(now.status, 'ACTIVE', JSON.stringify(now.fault))
      assert.equal(now['OS-EXT-SRV-ATTR:host'], host)
    })
    return { id: body.server.id, host: lab.hosts.find((one) => one.name === host)! }
  }

  const attachments = (server: Server): string => `/compute/v2.1/servers/${server.id}/os-volume_attachments`
  const attach = async (server: Server): Promise<void> => {
    const { status, body } = await admin.ask('POST', attachments(server), { volumeAttachment: { volumeId } })
    assert.equal(status, 200, JSON.stringify(body))
  }
  const volumeIs = (wanted: string): Promise<void> =>
    eventually(slow, async () => {
      const { body } = await admin.ask('GET', `/volume/v3/volumes/${volumeId}`)
      assert.equal(body.volume.status, wanted)
    })

  /** In the server's container. */
  async function inside({ id, host }: Server, ...command: string[]): Promise<string> {
    const docker = ['docker', '-H', `unix://${host.engine.socketPath}`]
    const found = await lab.on(host, ...docker, 'ps', '-q', '--filter', `label=org.quaystone.workload=${id}`)
    const { ok, output } = await lab.on(host, ...docker, 'exec', found.output.trim(), ...command)
    assert.ok(ok, output)
    return output.trim()
  }

  story('the first attachment places it on the host of its server', async () => {
    here = await boot('here', 'h1')
    there = await boot('there', 'h2')
    const asked = { volume: { size: 1, name: 'data' } }
    const { status, body } = await admin.ask('POST', '/volume/v3/volumes', asked)
    assert.equal(status, 202, JSON.stringify(body))
    volumeId = body.volume.id
    await volumeIs('available')
    await attach(here)
    await volumeIs('in-use')
    await inside(here, 'sh', '-c', `echo kept >${mountPath}/note; sync`)
  })

  story('its agent may die and come back: what is mounted stays, and goes on the word of the next', async () => {
    await lab.killAgent(here.host)
    assert.equal(await inside(here, 'cat', `${mountPath}/note`), 'kept')
    lab.startAgent(here.host)
    await eventually(slow, async () => {
      const { status } = await admin.ask('DELETE', `${attachments(here)}/${volumeId}`)
      assert.ok(status === 202 || status === 404, String(status))
    })
    await volumeIs('available')
  })

  story('it follows to the other host, with its data, through a kill of the control plane', async () => {
    await attach(there)
    await lab.killCloud()
    await lab.startCloud()
    await volumeIs('in-use')
    assert.equal(await inside(there, 'cat', `${mountPath}/note`), 'kept')
    const { body } = await admin.ask('GET', `/volume/v3/volumes/${volumeId}`)
    assert.match(body.volume['os-vol-host-attr:host'], /^h2/)
  })

  story('deleted servers let go, and no host keeps anything', async () => {
    for (const { id } of [here, there]) await admin.ask('DELETE', `/compute/v2.1/servers/${id}`)
    await volumeIs('available')
    assert.equal((await admin.ask('DELETE', `/volume/v3/volumes/${volumeId}`)).status, 202)
    await eventually(slow, async () => {
      assert.equal((await admin.ask('GET', `/volume/v3/volumes/${volumeId}`)).status, 404)
    })
    const says = await lab.quaystone('doctor').catch((error: Error) => error.message)
    assert.doesNotMatch(says, /leak\s+volume/)
  })
})
