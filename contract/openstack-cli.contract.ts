/** The official `openstack` command drives a whole cloud; Docker and HTTP say whether what it was told is true. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildSeedImage, findImagePrograms } from '../packages/server/src/app/seed-image/build.ts'
import { Cloud, openstack, openstackText, type Person } from './support/cloud.ts'
import { addressesIn, containerOf, type InspectedContainer } from './support/containers.ts'
import { eventually } from './support/eventually.ts'

const tag = randomUUID().slice(0, 8)
const named = (noun: string): string => `${noun}-${tag}`
const names = {
  image: named('image'),
  network: named('network'),
  subnet: named('subnet'),
  port: named('port'),
  flavor: named('flavor'),
  key: named('key'),
  server: named('web'),
  snapshot: named('snapshot'),
}
const fixedAddress = '10.71.0.50'
const memoryMiB = 96
const patience = { timeoutMs: 60_000, everyMs: 500 }

let cloud: Cloud

const demo = <T>(...args: string[]): Promise<T> => openstack<T>(cloud, 'quaystone', ...args)
const admin = <T>(...args: string[]): Promise<T> => openstack<T>(cloud, 'quaystone-admin', ...args)
const plain = (person: Person, ...args: string[]): Promise<string> => openstackText(cloud, person, ...args)

async function container(): Promise<InspectedContainer> {
  const found = await containerOf(cloud, names.server)
  assert.ok(found, `Docker has no container for the server ${names.server}`)
  return found
}

async function untilStatus(status: string): Promise<void> {
  await eventually(patience, async () => {
    const server = await demo<{ status: string; fault?: unknown }>('server', 'show', names.server)
    assert.equal(server.status, status, JSON.stringify(server.fault))
  })
}

/** What the server's own web server says: its host name. */
const webPage = (): Promise<string> =>
  eventually(patience, async () => {
    const reply = await fetch(`http://${fixedAddress}/`, { signal: AbortSignal.timeout(2_000) })
    assert.equal(reply.status, 200)
    return reply.text()
  })

before(async () => {
  cloud = await Cloud.start()
})

after(async () => {
  await cloud?.destroy()
})

describe('identity', () => {
  test('a token is issued for the project', async () => {
    const token = await demo<{ id: string; project_id: string; expires: string }>('token', 'issue')
    assert.ok(token.id.length > 30)
    assert.match(token.project_id, /^[0-9a-f]{32}$/)
    assert.ok(Date.parse(token.expires) > Date.now())
  })

  test('the catalog names the services', async () => {
    const catalog = await demo<{ Type: string }[]>('catalog', 'list')
    const types = catalog.map((service) => service.Type)
    for (const type of ['identity', 'image', 'network', 'compute', 'placement']) assert.ok(types.includes(type), type)
  })

  test('a project below another, and a user with a role in it, who can log in', async () => {
    const [parent, child, user] = [named('parent'), named('child'), named('user')]
    const { id: parentId } = await admin<{ id: string }>('project', 'create', parent)
    const made = await admin<{ parent_id: string }>('project', 'create', '--parent', parent, child)
    assert.equal(made.parent_id, parentId)
    await admin('user', 'create', '--password', 'Harbour-7', user)
    await plain('quaystone-admin', 'role', 'add', '--user', user, '--project', child, 'member')
    const account = { username: user, password: 'Harbour-7', project: child }
    const token = await openstack<{ project_id: string }>(cloud, account, 'token', 'issue')
    assert.equal(token.project_id, (await admin<{ id: string }>('project', 'show', child)).id)
  })
})

describe('what a server needs', () => {
  test('an image is uploaded from a file', async () => {
    const file = join(cloud.directory, 'image.tar')
    const { tar } = await buildSeedImage(findImagePrograms())
    writeFileSync(file, tar)
    const formats = ['--container-format', 'docker', '--disk-format', 'raw']
    await demo('image', 'create', '--file', file, ...formats, names.image)
    const image = await demo<{ status: string; size: number }>('image', 'show', names.image)
    assert.deepEqual({ status: image.status, size: image.size }, { status: 'active', size: tar.length })
  })

  test('an image that is downloaded again is the same bytes', async () => {
    const file = join(cloud.directory, 'again.tar')
    await plain('quaystone', 'image', 'save', '--file', file, names.image)
    assert.ok(readFileSync(file).equals(readFileSync(join(cloud.directory, 'image.tar'))))
  })

  test('a network with a subnet, and a port with a fixed address', async () => {
    await demo('network', 'create', names.network)
    // The network's own port takes any address of the pool: the one asked for below is beside it.
    const range = ['--subnet-range', '10.71.0.0/24', '--allocation-pool', 'start=10.71.0.100,end=10.71.0.200']
    await demo('subnet', 'create', '--network', names.network, ...range, names.subnet)
    const fixed = ['--fixed-ip', `subnet=${names.subnet},ip-address=${fixedAddress}`]
    const port = await demo<{ fixed_ips: { ip_address: string }[] }>(
      'port',
      'create',
      '--network',
      names.network,
      ...fixed,
      names.port,
    )
    assert.deepEqual(
      port.fixed_ips.map((one) => one.ip_address),
      [fixedAddress],
    )
  })

  test('a flavor and a key pair', async () => {
    await admin('flavor', 'create', '--ram', String(memoryMiB), '--vcpus', '1', '--disk', '1', names.flavor)
    const privateKey = await plain('quaystone', 'keypair', 'create', names.key)
    assert.match(privateKey, /PRIVATE KEY/)
    const pairs = await demo<{ Name: string }[]>('keypair', 'list')
    assert.ok(pairs.some((pair) => pair.Name === names.key))
  })
})

describe('a server', () => {
  test('is created and waited for: a running container with the flavor and address that were asked for', async () => {
    const parts = ['--image', names.image, '--flavor', names.flavor, '--key-name', names.key, '--port', names.port]
    const server = await demo<{ status: string }>('server', 'create', ...parts, '--wait', names.server)
    assert.equal(server.status, 'ACTIVE')
    const found = await container()
    assert.equal(found.State.Running, true)
    assert.equal(found.HostConfig.Memory, memoryMiB * 1024 * 1024)
    assert.ok(addressesIn(found).includes(fixedAddress), addressesIn(found).join())
  })

  test('answers over its address', async () => {
    assert.equal((await webPage()).trim(), names.server)
  })

  test('is in the long list, and shows its addresses', async () => {
    const list = await demo<{ Name: string; Status: string; 'Power State': string | number }[]>(
      'server',
      'list',
      '--long',
    )
    const listed = list.find((one) => one.Name === names.server)
    assert.equal(listed?.Status, 'ACTIVE')
    const shown = await demo<{ addresses: Record<string, string[]> }>('server', 'show', names.server)
    assert.deepEqual(shown.addresses, { [names.network]: [fixedAddress] })
  })

  test('stops and starts, and has its address again', async () => {
    await plain('quaystone', 'server', 'stop', names.server)
    await untilStatus('SHUTOFF')
    assert.equal((await container()).State.Running, false)
    await plain('quaystone', 'server', 'start', names.server)
    await untilStatus('ACTIVE')
    assert.equal((await webPage()).trim(), names.server)
  })

  test('is paused in Docker too, and goes on', async () => {
    await plain('quaystone', 'server', 'pause', names.server)
    await untilStatus('PAUSED')
    assert.equal((await container()).State.Paused, true)
    await plain('quaystone', 'server', 'unpause', names.server)
    await untilStatus('ACTIVE')
    assert.equal((await container()).State.Paused, false)
  })

  test('is rebooted hard: a new start of the container, the same address', async () => {
    const startedAt = (await container()).State.StartedAt
    await plain('quaystone', 'server', 'reboot', '--hard', '--wait', names.server)
    const again = await container()
    assert.equal(again.State.Running, true)
    assert.notEqual(again.State.StartedAt, startedAt)
    assert.equal((await webPage()).trim(), names.server)
  })

  test('shows its console log', async () => {
    const log = await plain('quaystone', 'console', 'log', 'show', names.server)
    assert.match(log, new RegExp(`${names.server} is up`))
  })

  test('becomes an image that is active', async () => {
    await demo('server', 'image', 'create', '--name', names.snapshot, '--wait', names.server)
    const image = await demo<{ status: string; size: number }>('image', 'show', names.snapshot)
    assert.equal(image.status, 'active')
    assert.ok(image.size > 0)
  })

  test('is rebuilt from that image, with its address', async () => {
    const before = await container()
    await demo('server', 'rebuild', '--image', names.snapshot, '--wait', names.server)
    await untilStatus('ACTIVE')
    assert.notEqual((await container()).Id, before.Id)
    assert.equal((await webPage()).trim(), names.server)
  })

  test('is deleted and waited for, and Docker has nothing of it', async () => {
    await plain('quaystone', 'server', 'delete', '--wait', names.server)
    assert.equal(await containerOf(cloud, names.server), undefined)
  })
})

describe('the end', () => {
  test('what was made can be deleted', async () => {
    await plain('quaystone', 'image', 'delete', names.snapshot, names.image)
    const ports = await demo<{ Name: string }[]>('port', 'list', '--network', names.network)
    if (ports.some((port) => port.Name === names.port)) await plain('quaystone', 'port', 'delete', names.port)
    await plain('quaystone', 'network', 'delete', names.network)
    await plain('quaystone', 'keypair', 'delete', names.key)
    await plain('quaystone-admin', 'flavor', 'delete', names.flavor)
  })

  test('Ctrl-C ends the process, and no container is left', async () => {
    await cloud.stop()
    assert.deepEqual(
      (await cloud.leftovers()).filter((name) => name.startsWith('container ')),
      [],
    )
  })
})
