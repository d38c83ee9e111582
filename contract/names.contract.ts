/** From inside real containers: neighbours by name, alias and link, the world's names, metadata, and network modes. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { namesOf } from '../packages/server/src/drivers/linux-net/names.ts'
import { Cloud, openstack, openstackText, type Account, type Person } from './support/cloud.ts'
import { containerOf } from './support/containers.ts'
import { eventually } from './support/eventually.ts'
import { outside, startSmallDns, worldResolver, type SmallDns } from './support/small-dns.ts'

const tag = randomUUID().slice(0, 8)
/** The test's own resolver answers meanwhile: nothing here may hold this process up. */
const run = promisify(execFile)

const named = (noun: string): string => `${noun}-${tag}`
const [blue, red] = [named('blue'), named('red')]
const [web, db, twin, side, open, bare] = ['web', 'db', 'twin', 'side', 'open', 'bare'].map(named) as [
  string,
  string,
  string,
  string,
  string,
  string,
]
const addresses = { web: '10.72.0.10', db: '10.72.0.20', moved: '10.72.0.21', twin: '10.72.0.30' }
const patience = { timeoutMs: 90_000, everyMs: 500 }
const publicKey = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMXaqaf7+taXbHQXremc6pnMkUwKJOXYK/JVgp1SjR8C ${tag}`
const userData = `#!/bin/sh\necho ${tag}\n`

let cloud: Cloud
let world: SmallDns
const stranger: Account = { username: named('user'), password: 'Harbour-7', project: named('project') }

type Who = Person | Account
const ask = <T>(who: Who, ...args: string[]): Promise<T> => openstack<T>(cloud, who, ...args)
const say = (who: Who, ...args: string[]): Promise<string> => openstackText(cloud, who, ...args)

const boot = ['--image', 'busybox', '--flavor', 'm1.nano']
const create = async (who: Who, name: string, ...args: string[]): Promise<void> => {
  const server = await ask<{ status: string; fault?: unknown }>(
    who,
    'server',
    'create',
    ...boot,
    ...args,
    '--wait',
    name,
  )
  assert.equal(server.status, 'ACTIVE', JSON.stringify(server.fault))
}

/** Both outputs of a command in the server's container; its failure is an answer, too. */
async function inside(server: string, ...command: string[]): Promise<string> {
  const container = await containerOf(cloud, server)
  assert.ok(container, `Docker has no container for ${server}`)
  try {
    return (await run('docker', ['exec', container.Id, ...command])).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return `${stdout}${stderr}`
  }
}

/** IPv4 addresses of a name as the container's own resolver library finds them. Empty: there is no such name. */
const resolved = async (server: string, name: string): Promise<string[]> => {
  const answer = (await inside(server, 'nslookup', '-type=a', name)).split('\n').slice(2).join('\n')
  return [...answer.matchAll(/^Address(?: \d+)?:\s*([\d.]+)\s*$/gm)].map(([, address]) => address!)
}

/** As a program does that comes again over TCP when it is told to: from the container's namespace. */
const resolvedByTcp = async (server: string, name: string): Promise<string[]> => {
  const { State } = (await containerOf(cloud, server))!
  const program = `
    const resolver = new (require('node:dns').promises.Resolver)()
    resolver.setServers(['169.254.169.254'])
    resolver.resolve4('${name}').then((found) => console.log(JSON.stringify(found)))`
  const args = ['--target', String(State.Pid), '--net', process.execPath, '--eval', program]
  return JSON.parse((await run('nsenter', args)).stdout) as string[]
}

const resolves = (server: string, name: string, expected: string[]): Promise<void> =>
  eventually(patience, async () => assert.deepEqual((await resolved(server, name)).sort(), expected, name))

const wget = (server: string, path: string, ...options: string[]): Promise<string> =>
  inside(server, 'wget', '-q', ...options, '-O', '-', `http://169.254.169.254${path}`)

/** The network's own port takes any address of the pool: those that are asked for here are beside it. */
const subnetOf = (name: string, base: string): string[] => {
  const pool = `start=${base}.100,end=${base}.200`
  return ['subnet', 'create', '--network', name, '--subnet-range', `${base}.0/24`, '--allocation-pool', pool]
}

const network = async (who: Who, name: string, ...options: string[]): Promise<void> => {
  await ask(who, 'network', 'create', name)
  await ask(who, ...subnetOf(name, '10.72.0'), ...options, named('subnet'))
}

const neighboursAreFound = async (): Promise<void> => {
  await resolves(web, db, [addresses.db])
  await resolves(db, `${web}.openstacklocal`, [addresses.web])
}

before(async () => {
  world = await startSmallDns()
  cloud = await Cloud.start()
  await eventually(patience, async () => {
    const images = await ask<{ Name: string }[]>('quaystone', 'image', 'list', '--status', 'active')
    assert.ok(images.some(({ Name }) => Name === 'busybox'))
  })
  await ask('quaystone-admin', 'project', 'create', stranger.project)
  await ask('quaystone-admin', 'user', 'create', '--password', stranger.password, stranger.username)
  const role = ['role', 'add', '--user', stranger.username, '--project', stranger.project, 'member']
  await say('quaystone-admin', ...role)
  await network('quaystone', blue, '--dns-nameserver', worldResolver)
  await network(stranger, red)
  const [keyFile, dataFile] = [join(cloud.directory, 'key.pub'), join(cloud.directory, 'user-data')]
  writeFileSync(keyFile, `${publicKey}\n`)
  writeFileSync(dataFile, userData)
  await ask('quaystone', 'keypair', 'create', '--public-key', keyFile, named('key'))
  const at = (ip: string, net: string): string[] => ['--nic', `net-id=${net},v4-fixed-ip=${ip}`]
  await Promise.all([
    create('quaystone', db, ...at(addresses.db, blue), '--property', `docker:aliases=${named('farm')}`),
    // The same prefix and the same address as `web` will have, of somebody else.
    create(stranger, twin, ...at(addresses.web, red)),
  ])
  await create(
    'quaystone',
    web,
    ...at(addresses.web, blue),
    '--key-name',
    named('key'),
    '--user-data',
    dataFile,
    '--property',
    `docker:links=${db}:database`,
    '--property',
    'ROLE=front',
  )
})

after(async () => {
  await cloud?.destroy()
  world?.close()
})

describe('names', () => {
  test("resolv.conf names the network's resolver and domain", async () => {
    assert.match(
      await inside(web, 'cat', '/etc/resolv.conf'),
      /^search openstacklocal\nnameserver 169\.254\.169\.254$/m,
    )
  })

  test('a neighbour is found by its name, bare and with the domain, and by its address', async () => {
    await neighboursAreFound()
    await resolves(web, 'host-10-72-0-20', [addresses.db])
    assert.match(await inside(web, 'nslookup', addresses.db), new RegExp(`name = ${db}\\.openstacklocal`))
  })

  test('a link is a name for the server that has it, and for no other', async () => {
    await resolves(web, 'database', [addresses.db])
    assert.deepEqual(await resolved(db, 'database'), [])
    assert.deepEqual(await resolved(twin, 'database'), [])
  })

  test("another tenant's equal network has names of its own", async () => {
    assert.deepEqual(await resolved(twin, db), [])
    assert.deepEqual(await resolved(web, twin), [])
    await resolves(twin, twin, [addresses.web])
  })

  test('two servers share an alias, and each is first in turn', async () => {
    const second = named('second')
    const nic = `net-id=${blue},v4-fixed-ip=${addresses.twin}`
    await create('quaystone', second, '--nic', nic, '--property', `docker:aliases=${named('farm')}`)
    await resolves(web, named('farm'), [addresses.db, addresses.twin])
    const firsts = new Set<string>()
    await eventually(patience, async () => {
      firsts.add((await resolved(web, named('farm')))[0]!)
      assert.equal(firsts.size, 2)
    })
    await say('quaystone', 'server', 'delete', '--wait', second)
    await resolves(web, named('farm'), [addresses.db])
  })

  test('a link follows the other server to its new address', async () => {
    const [port] = await ask<{ ID: string }[]>('quaystone', 'port', 'list', '--server', db)
    const subnet = (await ask<{ subnets: string[] }>('quaystone', 'network', 'show', blue)).subnets[0]!
    const fixed = `subnet=${subnet},ip-address=${addresses.moved}`
    await say('quaystone', 'port', 'set', '--no-fixed-ip', '--fixed-ip', fixed, port!.ID)
    await resolves(web, 'database', [addresses.moved])
    await resolves(web, db, [addresses.moved])
    const back = `subnet=${subnet},ip-address=${addresses.db}`
    await say('quaystone', 'port', 'set', '--no-fixed-ip', '--fixed-ip', back, port!.ID)
    await resolves(web, 'database', [addresses.db])
  })

  test("the world's names come from the subnet's servers, also those too long for a datagram", async () => {
    await resolves(web, outside.short, [outside.address])
    assert.equal((await resolvedByTcp(web, outside.long)).length, 60)
    assert.deepEqual(await resolved(web, `nowhere.${outside.short}`), [])
    await resolved(web, 'no-such-neighbour')
    assert.ok(world.asked.includes(outside.short))
    assert.ok(!world.asked.some((name) => name.startsWith('no-such-neighbour')), 'names of ours are nobody else’s')
  })
})

describe('metadata', () => {
  test("in OpenStack's form: keys, user data, addresses", async () => {
    const data = JSON.parse(await wget(web, '/openstack/latest/meta_data.json'))
    assert.equal(data.hostname, `${web}.openstacklocal`)
    assert.equal(data.public_keys[named('key')].trim(), publicKey)
    assert.equal(data.meta.ROLE, 'front')
    assert.equal(await wget(web, '/openstack/latest/user_data'), userData)
    const { networks } = JSON.parse(await wget(web, '/openstack/latest/network_data.json'))
    assert.equal(networks[0].ip_address, addresses.web)
    assert.match(await wget(web, '/openstack'), /^2012-08-10\n[^]*latest$/)
  })

  test("in EC2's form", async () => {
    assert.equal(await wget(web, '/latest/meta-data/local-ipv4'), addresses.web)
    assert.equal((await wget(web, '/2009-04-04/meta-data/public-keys/0/openssh-key')).trim(), publicKey)
    assert.equal(await wget(web, '/latest/user-data'), userData)
    assert.match(await wget(web, '/latest/meta-data/nothing'), /404/)
  })

  test('equal addresses of two tenants are two servers', async () => {
    assert.equal(await wget(twin, '/latest/meta-data/local-ipv4'), addresses.web)
    assert.equal(await wget(twin, '/latest/meta-data/hostname'), `${twin}.openstacklocal`)
    const data = JSON.parse(await wget(twin, '/openstack/latest/meta_data.json'))
    assert.deepEqual([data.name, data.public_keys], [twin, undefined])
    assert.match(await wget(twin, '/latest/user-data'), /404/)
  })

  test('a password that the server posts is shown to its owner, once', async () => {
    const { id } = await ask<{ id: string }>('quaystone', 'server', 'show', web)
    const path = '/openstack/latest/password'
    assert.equal(await wget(web, path), '')
    await wget(web, path, '--post-data', 'ZW5jcnlwdGVk')
    assert.equal(await wget(web, path), 'ZW5jcnlwdGVk')
    assert.match(await wget(web, path, '--post-data', 'b3RoZXI='), /409/)
    const token = await ask<{ id: string }>('quaystone', 'token', 'issue')
    const shown = await fetch(`${cloud.url}/compute/v2.1/servers/${id}/os-server-password`, {
      headers: { 'x-auth-token': token.id },
    })
    assert.deepEqual(await shown.json(), { password: 'ZW5jcnlwdGVk' })
  })

  test('on a routed network as well', async () => {
    const routed = named('routed')
    await create('quaystone', routed, '--network', 'private')
    await eventually(patience, async () =>
      assert.equal(await wget(routed, '/latest/meta-data/hostname'), `${routed}.openstacklocal`),
    )
  })

  test('and names, on a network without DHCP and without any router', async () => {
    const alone = named('alone')
    await ask('quaystone', 'network', 'create', alone)
    await ask('quaystone', ...subnetOf(alone, '10.74.0'), '--no-dhcp', named('no-dhcp'))
    await create('quaystone', alone, '--nic', `net-id=${alone},v4-fixed-ip=10.74.0.9`)
    await resolves(alone, alone, ['10.74.0.9'])
    assert.equal(await wget(alone, '/latest/meta-data/local-ipv4'), '10.74.0.9')
  })
})

describe('modes of the network', () => {
  const mode = (value: string): string[] => ['--property', `docker:network_mode=${value}`]
  const refused = (pattern: RegExp, who: Who, ...args: string[]): Promise<void> =>
    assert.rejects(ask(who, 'server', 'create', ...boot, ...args, named('refused')), pattern)

  test("none: no device but the loopback's", async () => {
    await create('quaystone', bare, ...mode('none'))
    assert.deepEqual((await inside(bare, 'ls', '/sys/class/net')).trim().split(/\s+/), ['lo'])
  })

  test('bridge: the engine’s own network, with a published port that answers on the host', async () => {
    await create('quaystone', open, ...mode('bridge'), '--property', 'docker:publish=127.0.0.1:0:80')
    const container = (await containerOf(cloud, open))!
    const [published] = execFileSync('docker', ['port', container.Id, '80'], { encoding: 'utf8' }).split('\n')
    await eventually(patience, async () => {
      const reply = await fetch(`http://${published}/`, { signal: AbortSignal.timeout(2_000) })
      assert.equal((await reply.text()).trim(), open)
    })
  })

  test("container: another server's namespace, and its next one when that server starts again", async () => {
    await create('quaystone', side, ...mode(`container:${web}`))
    const [before, first] = [(await containerOf(cloud, web))!, await sidePid()]
    assert.equal(namespaceOf(first), namespaceOf(before.State.Pid))
    await say('quaystone', 'server', 'reboot', '--hard', '--wait', web)
    await eventually(patience, async () => {
      const [again, second] = [(await containerOf(cloud, web))!, await sidePid()]
      assert.notEqual(again.State.Pid, before.State.Pid)
      assert.equal(namespaceOf(second), namespaceOf(again.State.Pid))
    })
  })

  test('host: for administrators only', async () => {
    await refused(/reach beyond the container: docker:network_mode/, 'quaystone', ...mode('host'))
    const host = named('host')
    const command = ['--property', 'docker:command=sleep 3600']
    await create('quaystone-admin', host, ...mode('host'), ...command)
    const ids = execFileSync('docker', ['ps', '-q', '--filter', `label=org.quaystone.nova.name=${host}`])
    const pid = Number(execFileSync('docker', ['inspect', '-f', '{{.State.Pid}}', ids.toString().trim()]))
    assert.equal(namespaceOf(pid), namespaceOf('self'))
  })

  test('what does not go together is refused with the reason', async () => {
    await refused(/has no ports/, 'quaystone', ...mode('bridge'), '--network', blue)
    await refused(/need networkMode 'bridge'/, 'quaystone', '--network', blue, '--property', 'docker:publish=80')
    await refused(/need networkMode 'tenant'/, 'quaystone', ...mode('none'), '--property', 'docker:aliases=a')
    await refused(/could not be found/, stranger, '--network', red, '--property', `docker:links=${db}:database`)
  })
})

describe('after bad luck', () => {
  test('names and metadata are there again after kill -9', async () => {
    await cloud.kill()
    await cloud.up()
    await neighboursAreFound()
    await resolves(web, 'database', [addresses.db])
    await eventually(patience, async () =>
      assert.equal(await wget(twin, '/latest/meta-data/hostname'), `${twin}.openstacklocal`),
    )
  })

  test("and after somebody took the network's namespace away", async () => {
    const { id } = await ask<{ id: string }>('quaystone', 'network', 'show', blue)
    const { cloudId } = JSON.parse(execFileSync('cat', [join(cloud.dataDir, 'identity.json')], { encoding: 'utf8' }))
    execFileSync('ip', ['netns', 'delete', namesOf({ cloud: cloudId }).networkNamespace(id)])
    await neighboursAreFound()
    assert.equal(await wget(web, '/latest/meta-data/local-ipv4'), addresses.web)
  })

  test('an end by Ctrl-C, with networks that were answered', async () => {
    await cloud.stop()
  })
})

const namespaceOf = (pid: number | 'self'): string =>
  execFileSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' }).trim()

/** Its host name is the other's, so it is found by its own label. */
async function sidePid(): Promise<number> {
  const { stdout } = await run('docker', ['ps', '-q', '--filter', `label=org.quaystone.nova.name=${side}`])
  return Number((await run('docker', ['inspect', '-f', '{{.State.Pid}}', stdout.trim()])).stdout)
}
