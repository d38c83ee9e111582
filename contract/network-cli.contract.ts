/** The official `openstack` command on every object of Neutron; packets between real containers say if it is so. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { Cloud, openstack, openstackText, type Person } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { Inside } from './support/inside.ts'
import { ProgramFailed, runProgram } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const named = (noun: string): string => `${noun}-${tag}`
const patience = { timeoutMs: 90_000, everyMs: 500 }
const outside = 'public'
const [front, back] = [named('front'), named('back')]
const addresses = { web: '10.81.0.10', db: '10.82.0.10', extra: '10.82.0.77' }

let cloud: Cloud
let web: Inside
let db: Inside

const demo = <T = Record<string, any>>(...args: string[]): Promise<T> => openstack<T>(cloud, 'quaystone', ...args)
const admin = <T = Record<string, any>>(...args: string[]): Promise<T> =>
  openstack<T>(cloud, 'quaystone-admin', ...args)
const plain = (...args: string[]): Promise<string> => openstackText(cloud, 'quaystone', ...args)
const plainAs = (person: Person, ...args: string[]): Promise<string> => openstackText(cloud, person, ...args)
const idOf = async (kind: string, name: string): Promise<string> =>
  (await demo<{ id: string }>(...kind.split(' '), 'show', name)).id

/** The client's last words about a command that the cloud refuses. */
async function refusal(...args: string[]): Promise<string> {
  try {
    await plain(...args)
  } catch (error) {
    if (error instanceof ProgramFailed) return error.stderr
    throw error
  }
  throw new Error(`openstack ${args.join(' ')} was not refused`)
}

/** What a web server says to somebody outside the cloud's networks: this process. */
const pageOutside = async (address: string, port = 80): Promise<string> => {
  const reply = await fetch(`http://${address}:${port}/`, { signal: AbortSignal.timeout(2_000) })
  return (await reply.text()).trim()
}
const untilPage = (address: string, page: string, port = 80): Promise<void> =>
  eventually(patience, async () => assert.equal(await pageOutside(address, port), page))
const untilSilent = (address: string, port = 80): Promise<void> =>
  eventually(patience, async () => {
    const answer = await pageOutside(address, port).catch(() => undefined)
    assert.equal(answer, undefined)
  })

before(async () => {
  cloud = await Cloud.start()
  web = new Inside(cloud, named('web'))
  db = new Inside(cloud, named('db'))
})
after(async () => {
  await cloud?.destroy()
})

describe('networks, subnets and their pools', () => {
  test('a network is made, changed, tagged and found by its tag', async () => {
    const made = await demo('network', 'create', front, '--description', 'made by a test', '--mtu', '1400')
    assert.equal(made.mtu, 1400)
    await demo('network', 'create', back)
    await plain('network', 'set', '--description', 'changed', '--tag', tag, '--tag', 'other', front)
    const shown = await demo('network', 'show', front)
    assert.deepEqual([shown.description, [...shown.tags].sort()], ['changed', [tag, 'other'].sort()])
    const found = await demo<{ Name: string }[]>('network', 'list', '--tags', tag)
    assert.deepEqual(
      found.map(({ Name }) => Name),
      [front],
    )
    await plain('network', 'unset', '--tag', 'other', front)
    assert.deepEqual((await demo('network', 'show', front)).tags, [tag])
  })

  test("provider attributes are the operator's: shown to an administrator, refused to others", async () => {
    assert.equal((await admin('network', 'show', front))['provider:network_type'], 'vxlan')
    assert.equal((await demo('network', 'show', front))['provider:network_type'] ?? null, null)
    const said = await refusal('network', 'create', named('nope'), '--provider-network-type', 'vxlan')
    assert.match(said, /disallowed by policy|Forbidden/)
  })

  test('subnets have pools, resolvers and routes, and do not overlap', async () => {
    const range = ['--subnet-range', '10.81.0.0/24', '--allocation-pool', 'start=10.81.0.100,end=10.81.0.200']
    const options = ['--dns-nameserver', '192.0.2.53', '--host-route', 'destination=10.99.0.0/24,gateway=10.81.0.9']
    const subnet = await demo('subnet', 'create', '--network', front, ...range, ...options, named('front-v4'))
    assert.equal(subnet.gateway_ip, '10.81.0.1')
    assert.deepEqual(subnet.allocation_pools, [{ start: '10.81.0.100', end: '10.81.0.200' }])
    await demo('subnet', 'create', '--network', back, '--subnet-range', '10.82.0.0/24', named('back-v4'))
    await plain('subnet', 'set', '--dns-nameserver', '192.0.2.54', '--no-host-route', named('front-v4'))
    const changed = await demo('subnet', 'show', named('front-v4'))
    assert.deepEqual([[...changed.dns_nameservers].sort(), changed.host_routes], [['192.0.2.53', '192.0.2.54'], []])
    const overlapping = ['--network', front, '--subnet-range', '10.81.0.128/25', named('nope')]
    assert.match(await refusal('subnet', 'create', ...overlapping), /overlaps with another subnet/)
  })

  test('a SLAAC subnet gives a port the address of its MAC', async () => {
    const modes = ['--ipv6-ra-mode', 'slaac', '--ipv6-address-mode', 'slaac']
    const range = ['--ip-version', '6', '--subnet-range', 'fd00:81::/64']
    await demo('subnet', 'create', '--network', back, ...range, ...modes, named('back-v6'))
    const port = await demo('port', 'create', '--network', back, '--mac-address', 'fa:16:3e:01:02:03', named('six'))
    const ips = (port.fixed_ips as { ip_address: string }[]).map(({ ip_address }) => ip_address)
    assert.ok(ips.includes('fd00:81::f816:3eff:fe01:203'), ips.join())
    await plain('port', 'delete', named('six'))
    await plain('subnet', 'delete', named('back-v6'))
  })

  test('subnets come out of a pool until it is empty', async () => {
    await demo('address', 'scope', 'create', '--ip-version', '4', named('scope'))
    const pool = ['--pool-prefix', '10.83.0.0/24', '--default-prefix-length', '25', '--address-scope', named('scope')]
    await demo('subnet', 'pool', 'create', ...pool, named('pool'))
    const carve = (name: string) => [
      'subnet',
      'create',
      '--network',
      back,
      '--subnet-pool',
      named('pool'),
      named(name),
    ]
    assert.match((await demo(...carve('carved'))).cidr, /^10\.83\.0\.(0|128)\/25$/)
    assert.match((await demo(...carve('carved-too'))).cidr, /^10\.83\.0\.(0|128)\/25$/)
    assert.match(await refusal(...carve('nope')), /Insufficient prefix space/)
    assert.match(await refusal('subnet', 'pool', 'delete', named('pool')), /in use|existing allocations/)
    assert.match(await refusal('address', 'scope', 'delete', named('scope')), /in use/)
    await plain('subnet', 'delete', named('carved'), named('carved-too'))
    await plain('subnet', 'pool', 'delete', named('pool'))
    await plain('address', 'scope', 'delete', named('scope'))
  })

  test('ports have fixed addresses, each once, in their network', async () => {
    const at = (subnet: string, ip: string) => ['--fixed-ip', `subnet=${named(subnet)},ip-address=${ip}`]
    await demo('port', 'create', '--network', front, ...at('front-v4', addresses.web), named('web'))
    await demo('port', 'create', '--network', back, ...at('back-v4', addresses.db), named('db'))
    const twice = ['port', 'create', '--network', front, ...at('front-v4', addresses.web), named('nope')]
    assert.match(await refusal(...twice), /already allocated/)
    const elsewhere = ['port', 'create', '--network', front, ...at('front-v4', '10.99.0.1'), named('nope')]
    assert.match(await refusal(...elsewhere), /not a valid IP/)
    await plain(
      'port',
      'set',
      '--description',
      'of the web server',
      '--allowed-address',
      'ip-address=10.81.0.11',
      named('web'),
    )
    assert.deepEqual(
      (await demo('port', 'show', named('web'))).allowed_address_pairs.map((pair: any) => pair.ip_address),
      ['10.81.0.11'],
    )
    await plain('port', 'set', '--no-allowed-address', named('web'))
    assert.deepEqual((await demo('port', 'show', named('web'))).allowed_address_pairs, [])
  })
})

describe('routers, with servers on two networks', () => {
  test('a router joins subnets and takes a gateway; what it carries cannot be taken away', async () => {
    await demo('router', 'create', named('router'))
    for (const subnet of ['front-v4', 'back-v4'])
      await plain('router', 'add', 'subnet', named('router'), named(subnet))
    await plain('router', 'set', '--external-gateway', outside, named('router'))
    const router = await demo('router', 'show', named('router'))
    assert.equal(router.interfaces_info.length, 2)
    assert.equal(router.external_gateway_info.enable_snat, true)
    assert.match(await refusal('router', 'delete', named('router')), /still has ports/)
    assert.match(await refusal('subnet', 'delete', named('front-v4')), /One or more ports have an IP allocation/)
    assert.match(await refusal('network', 'delete', front), /in use/)
    const route = 'destination=10.98.0.0/24,gateway=10.82.0.10'
    await plain('router', 'add', 'route', '--route', route, named('router'))
    assert.equal((await demo('router', 'show', named('router'))).routes.length, 1)
    await plain('router', 'remove', 'route', '--route', route, named('router'))
    const far = ['router', 'set', '--route', 'destination=10.98.0.0/24,gateway=10.77.7.7', named('router')]
    assert.match(await refusal(...far), /not connected with router|Invalid format for routes/)
  })

  test('a group that nobody is in yet, with a rule for the web and one for echoes', async () => {
    await demo('security', 'group', 'create', '--description', 'of a test', named('group'))
    const rule = ['security', 'group', 'rule', 'create', '--ingress']
    await demo(...rule, '--protocol', 'tcp', '--dst-port', '80', named('group'))
    await demo(...rule, '--protocol', 'icmp', named('group'))
    const rules = await demo<unknown[]>('security', 'group', 'rule', 'list', named('group'))
    assert.equal(rules.length, 4, 'two that let everything out, and ours')
    const twice = [...rule, '--protocol', 'icmp', named('group')]
    assert.match(await refusal(...twice), /already exists/)
    for (const port of ['web', 'db'])
      await plain('port', 'set', '--no-security-group', '--security-group', named('group'), named(port))
  })

  test('the servers on their ports reach each other through it, and the world behind its address', async () => {
    const server = (name: string) =>
      demo(
        'server',
        'create',
        '--image',
        'busybox',
        '--flavor',
        'm1.nano',
        '--port',
        named(name),
        '--wait',
        named(name),
      )
    await Promise.all([server('web'), server('db')])
    assert.deepEqual((await web.devices()).eth0, [addresses.web])
    await eventually(patience, async () => assert.equal(await web.page(addresses.db), named('db')))
    assert.equal(await db.reaches(addresses.web), true)
    const { subnet_id: outer } = (await demo('router', 'show', named('router'))).external_gateway_info
      .external_fixed_ips[0]
    const gateway = (await admin('subnet', 'show', outer)).gateway_ip
    assert.equal(await web.reaches(gateway), true)
    await plain('router', 'set', '--disable', named('router'))
    await eventually(patience, async () => assert.equal(await web.reaches(addresses.db), false))
    await plain('router', 'set', '--enable', named('router'))
    await eventually(patience, async () => assert.equal(await web.reaches(addresses.db), true))
  })

  test('each port says MTU, binding and host as they are', async () => {
    assert.match(await web.says('ip', 'link', 'show', 'eth0'), /mtu 1400/)
    const port = await admin('port', 'show', named('web'))
    assert.deepEqual([port.status, port.device_owner], ['ACTIVE', 'compute:nova'])
    assert.notEqual(port.binding_host_id, '')
  })
})

describe('floating IPs, forwardings and groups, seen from outside', () => {
  let floating = ''
  let other = ''

  test('a floating IP leads to the server, moves to the other, and is free again', async () => {
    floating = (await demo('floating', 'ip', 'create', outside)).floating_ip_address
    assert.equal((await demo('floating', 'ip', 'show', floating)).status, 'DOWN')
    await plain('floating', 'ip', 'set', '--port', named('web'), floating)
    await untilPage(floating, named('web'))
    await eventually(patience, async () =>
      assert.equal((await demo('floating', 'ip', 'show', floating)).status, 'ACTIVE'),
    )
    await plain('floating', 'ip', 'unset', '--port', floating)
    await untilSilent(floating)
    await plain('floating', 'ip', 'set', '--port', named('db'), floating)
    await untilPage(floating, named('db'))
    await plain('server', 'remove', 'floating', 'ip', named('db'), floating)
    await untilSilent(floating)
    await plain('server', 'add', 'floating', 'ip', named('web'), floating)
    await untilPage(floating, named('web'))
    const shown = await demo('server', 'show', named('web'))
    assert.ok(shown.addresses[front].includes(floating), JSON.stringify(shown.addresses))
  })

  test('single ports of another one lead to two servers', async () => {
    other = (await demo('floating', 'ip', 'create', outside)).floating_ip_address
    const forward = async (port: string, ip: string, outer: string) => {
      const inner = ['--port', await idOf('port', named(port)), '--internal-ip-address', ip]
      const ports = ['--internal-protocol-port', '80', '--external-protocol-port', outer, '--protocol', 'tcp']
      return demo('floating', 'ip', 'port', 'forwarding', 'create', ...inner, ...ports, other)
    }
    const first = await forward('web', addresses.web, '8081')
    await forward('db', addresses.db, '8082')
    await untilPage(other, named('web'), 8081)
    await untilPage(other, named('db'), 8082)
    await untilSilent(other, 80)
    const associate = ['floating', 'ip', 'set', '--port', named('db'), other]
    assert.match(await refusal(...associate), /Port Forwarding|port forwarding/)
    await plain('floating', 'ip', 'port', 'forwarding', 'set', '--external-protocol-port', '8083', other, first.id)
    await untilPage(other, named('web'), 8083)
    const list = await demo<{ ID: string }[]>('floating', 'ip', 'port', 'forwarding', 'list', other)
    await plain('floating', 'ip', 'port', 'forwarding', 'delete', other, ...list.map(({ ID }) => ID))
    await untilSilent(other, 8083)
  })

  test('a rule that goes closes the port, and an address group opens it to those who are in it', async () => {
    const rules = await demo<{ ID: string; 'IP Protocol': string; Direction: string }[]>(
      ...['security', 'group', 'rule', 'list', named('group')],
    )
    const web80 = rules.find((rule) => rule['IP Protocol'] === 'tcp')
    await plain('security', 'group', 'rule', 'delete', web80!.ID)
    await untilSilent(floating)
    await demo('address', 'group', 'create', '--address', '192.0.2.0/24', named('friends'))
    const remote = ['--ingress', '--protocol', 'tcp', '--dst-port', '80', '--remote-address-group', named('friends')]
    await demo('security', 'group', 'rule', 'create', ...remote, named('group'))
    assert.match(await refusal('address', 'group', 'delete', named('friends')), /in use/)
    await untilSilent(floating)
    await plain('address', 'group', 'set', '--address', '172.24.4.0/24', named('friends'))
    await untilPage(floating, named('web'))
    await plain('address', 'group', 'unset', '--address', '172.24.4.0/24', named('friends'))
    await untilSilent(floating)
  })

  test('a group that is added to a running server opens it, and closes it when removed', async () => {
    await demo('security', 'group', 'create', named('open'))
    await demo('security', 'group', 'rule', 'create', '--protocol', 'tcp', '--dst-port', '80', named('open'))
    await plain('server', 'add', 'security', 'group', named('web'), named('open'))
    await untilPage(floating, named('web'))
    const groups = (await demo('port', 'show', named('web'))).security_group_ids
    assert.ok(groups.includes(await idOf('security group', named('open'))))
    assert.match(await refusal('security', 'group', 'delete', named('open')), /in use/)
    await plain('server', 'remove', 'security', 'group', named('web'), named('open'))
    await untilSilent(floating)
    await plain('security', 'group', 'delete', named('open'))
  })

  test('the addresses go back', async () => {
    await plain('floating', 'ip', 'delete', floating, other)
  })
})

describe('a running server gets and loses', () => {
  const devicesAre = (wanted: (devices: Record<string, string[]>) => boolean): Promise<void> =>
    eventually(patience, async () => {
      const devices = await web.devices()
      assert.ok(wanted(devices), JSON.stringify(devices))
    })
  const has = (ip: string) => (devices: Record<string, string[]>) => Object.values(devices).flat().includes(ip)

  test('a port', async () => {
    const fixed = `subnet=${named('back-v4')},ip-address=${addresses.extra}`
    await demo('port', 'create', '--network', back, '--fixed-ip', fixed, named('extra'))
    await plain('server', 'add', 'port', named('web'), named('extra'))
    await devicesAre((devices) => devices.eth1?.includes(addresses.extra) === true)
    assert.equal(await web.reaches(addresses.db), true)
    await plain('server', 'remove', 'port', named('web'), named('extra'))
    await devicesAre((devices) => devices.eth1 === undefined && has(addresses.web)(devices))
    assert.equal((await demo('port', 'show', named('extra'))).device_id, '')
  })

  test('a network', async () => {
    await plain('server', 'add', 'network', named('web'), back)
    await devicesAre((devices) => devices.eth1?.[0]?.startsWith('10.82.0.') === true)
    await plain('server', 'remove', 'network', named('web'), back)
    await devicesAre((devices) => devices.eth1 === undefined)
  })

  // From 2.44 on the same command attaches one more port.
  const atVersion = ['--os-compute-api-version', '2.43']
  /** `server remove fixed ip` of this client calls what its library no longer has; the SDK still does. */
  const removeFixedIp = (ip: string): Promise<string> => {
    const connect = "compute = openstack.connect(compute_default_microversion='2.43').compute"
    const remove = `compute.remove_fixed_ip_from_server(compute.find_server('${named('web')}'), '${ip}')`
    const args = ['-c', `import openstack\n${connect}\n${remove}`]
    return runProgram({ command: '/usr/bin/python3', args, env: cloud.env('quaystone') })
  }

  test('a fixed IP', async () => {
    const before = await web.devices()
    await plain(...atVersion, 'server', 'add', 'fixed', 'ip', named('web'), front)
    await devicesAre((devices) => Object.values(devices).flat().length === Object.values(before).flat().length + 1)
    const [added] = Object.values(await web.devices())
      .flat()
      .filter((ip) => !has(ip)(before))
    assert.match(added!, /^10\.81\.0\./)
    await removeFixedIp(added!)
    await devicesAre((devices) => !has(added!)(devices) && has(addresses.web)(devices))
    assert.equal(await db.reaches(addresses.web), true)
  })
})

describe('who may do what', () => {
  test('a network is shared with one project, until the policy goes', async () => {
    await admin('project', 'create', named('guest'))
    await admin('user', 'create', '--password', 'Harbour-7', named('guest'))
    await plainAs('quaystone-admin', 'role', 'add', '--user', named('guest'), '--project', named('guest'), 'member')
    const guest = { username: named('guest'), password: 'Harbour-7', project: named('guest') }
    const sees = async (): Promise<boolean> => {
      const networks = await openstack<{ Name: string }[]>(cloud, guest, 'network', 'list')
      return networks.some(({ Name }) => Name === back)
    }
    assert.equal(await sees(), false)
    const project = (await admin('project', 'show', named('guest'))).id
    const target = ['--type', 'network', '--action', 'access_as_shared', '--target-project', project]
    const policy = await demo('network', 'rbac', 'create', ...target, back)
    assert.equal(await sees(), true)
    assert.equal((await demo('network', 'rbac', 'show', policy.id)).object_type, 'network')
    await plain('network', 'rbac', 'delete', policy.id)
    assert.equal(await sees(), false)
  })

  test('a project has no more networks than its quota', async () => {
    const project = (await demo('token', 'issue')).project_id as string
    const count = (await demo<unknown[]>('network', 'list', '--internal', '--project', project)).length
    await plainAs('quaystone-admin', 'quota', 'set', '--networks', String(count), project)
    assert.match(await refusal('network', 'create', named('nope')), /Quota exceeded for resources: \['network'\]/)
    await plainAs('quaystone-admin', 'quota', 'set', '--networks', '100', project)
  })

  test('agents, zones and extensions are what they are', async () => {
    const agents = await admin<{ 'Agent Type': string; Alive: boolean | string }[]>('network', 'agent', 'list')
    assert.ok(agents.length > 0)
    const zones = await demo<{ 'Zone Resource': string }[]>('availability', 'zone', 'list', '--network', '--long')
    assert.deepEqual(new Set(zones.map((zone) => zone['Zone Resource'])), new Set(['network', 'router']))
    const extensions = await demo<{ Alias: string }[]>('extension', 'list', '--network')
    const aliases = extensions.map(({ Alias }) => Alias)
    for (const alias of ['router', 'security-group', 'floating-ip-port-forwarding', 'rbac-policies', 'quotas'])
      assert.ok(aliases.includes(alias), alias)
    assert.equal((await demo('extension', 'show', 'router')).alias, 'router')
  })
})

describe('the end', () => {
  test('everything goes, in its order, and the host has nothing of it left', async () => {
    await plain('server', 'delete', '--wait', named('web'), named('db'))
    await plain('port', 'delete', named('web'), named('db'), named('extra'))
    for (const subnet of ['front-v4', 'back-v4'])
      await plain('router', 'remove', 'subnet', named('router'), named(subnet))
    await plain('router', 'unset', '--external-gateway', named('router'))
    const ids = await Promise.all([idOf('router', named('router')), idOf('network', front), idOf('network', back)])
    await plain('router', 'delete', named('router'))
    await plain('network', 'delete', front, back)
    await plain('security', 'group', 'delete', named('group'))
    await plain('address', 'group', 'delete', named('friends'))
    await eventually(patience, async () => {
      const left = await cloud.leftovers()
      assert.deepEqual(
        left.filter((name) => ids.some((id) => name.includes(id))),
        [],
      )
    })
  })
})
