/** The metadata service over fakes: who is answered, with what, and what nobody is told. */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import type { PlugPlan, PortInfo } from '#services/neutron/facade.ts'
import type { ServerRecord } from '#services/nova/facade.ts'
import { Metadata } from './metadata.ts'

const userData = Buffer.from([0x23, 0x21, 0x00, 0xff])
const web: ServerRecord = {
  id: '0f0e0d0c-0000-4000-8000-000000000001',
  projectId: 'blue-project',
  name: 'Web',
  hostname: 'web',
  imageId: 'abcdef01-0000-4000-8000-000000000002',
  flavorName: 'm1.tiny',
  zone: 'nova',
  launchIndex: 2,
  reservationId: 'r-1',
  metadata: { role: 'front' },
  userData: userData.toString('base64'),
  key: { name: 'laptop', data: 'ssh-ed25519 AAAA me' },
  securityGroups: ['default', 'web'],
  password: '',
}
const bare: ServerRecord = {
  ...web,
  id: 'bare',
  name: 'bare',
  hostname: 'bare',
  metadata: {},
  userData: null,
  key: null,
}

const port = (deviceId: string, ip: string, rest: Partial<PortInfo> = {}): PortInfo & { dnsDomain: string } => ({
  id: `${deviceId}-port-00000`,
  networkId: 'blue',
  networkName: 'blue',
  projectId: 'blue-project',
  mac: 'fa:16:3e:00:00:01',
  fixedIps: [{ subnetId: 's', ip, version: 4 }],
  floatingIps: [{ address: '198.51.100.9', fixedIp: ip }],
  deviceId,
  deviceOwner: 'compute:nova',
  hostName: 'h',
  status: 'ACTIVE',
  securityGroupIds: [],
  portSecurity: true,
  dnsDomain: 'lab.example',
  ...rest,
})

const plan = {
  network: {
    id: 'blue',
    mtu: 1450,
    subnets: [
      {
        id: 's',
        cidr: '10.0.0.0/24',
        gatewayIp: '10.0.0.1',
        hostRoutes: [{ destination: '10.9.0.0/16', nexthop: '10.0.0.7' }],
      },
    ],
  },
  port: {
    id: 'abcdef0123456789',
    mac: 'fa:16:3e:00:00:01',
    mtu: 0,
    addresses: [{ ip: '10.0.0.5', subnetId: 's', prefixLength: 24 }],
  },
  resolvConf: 'nameserver 169.254.169.254\n',
} as unknown as PlugPlan

let passwords: Map<string, string>
let service: Metadata

const ports = new Map([
  ['blue 10.0.0.5', port(web.id, '10.0.0.5', { tag: 'front-door' })],
  ['red 10.0.0.5', port(bare.id, '10.0.0.5')],
  ['blue 10.0.0.1', port('router', '10.0.0.1', { deviceOwner: 'network:router_interface' })],
])
const servers = new Map([web, bare].map((server) => [server.id, server]))

beforeEach(() => {
  passwords = new Map()
  service = new Metadata({
    neutron: {
      portAt: async (networkId, ip) => ports.get(`${networkId} ${ip}`),
      portsOf: async (id) => [...ports.values()].filter(({ deviceId }) => deviceId === id),
      plugPlans: async () => [plan],
    },
    nova: {
      serverRecordFetch: async (id) => {
        const server = servers.get(id)
        return server && { ...server, password: passwords.get(id) ?? '' }
      },
      passwordSet: async (id, password) => !passwords.has(id) && passwords.set(id, password).has(id),
    },
    vendorData: () => ({ support: 'desk@lab.example' }),
    seed: () => 'c2VlZA==',
  })
})

const ask = async (path: string, { from = 'blue 10.0.0.5', method = 'GET', body = '' } = {}) => {
  const [networkId = '', address = ''] = from.split(' ')
  const answer = await service.answer({
    networkId,
    address,
    method,
    path,
    body: Buffer.from(body).toString('base64'),
  })
  const bytes = Buffer.from(answer.body, 'base64')
  return { status: answer.status, type: answer.contentType, bytes, text: bytes.toString() }
}

describe('who asks', () => {
  test('equal addresses on two networks are two servers', async () => {
    assert.equal((await ask('/latest/meta-data/hostname')).text, 'web.lab.example')
    assert.equal((await ask('/latest/meta-data/hostname', { from: 'red 10.0.0.5' })).text, 'bare.lab.example')
  })

  test('an address of nobody, and of what is no server, is told nothing', async () => {
    for (const from of ['blue 10.0.0.77', 'green 10.0.0.5', 'blue 10.0.0.1'])
      for (const path of ['/openstack/latest/meta_data.json', '/latest/meta-data/', '/openstack'])
        assert.equal((await ask(path, { from })).status, 404, `${path} from ${from}`)
  })
})

describe("EC2's form", () => {
  test('versions, folders and leaves, with and without slashes', async () => {
    assert.match((await ask('/')).text, /^1\.0\n2007-01-19\n.*2009-04-04\nlatest$/s)
    assert.equal((await ask('/ec2/')).text, (await ask('/')).text)
    assert.equal((await ask('/latest')).text, 'meta-data/\nuser-data')
    assert.match((await ask('//latest//meta-data/?x=/y')).text, /^ami-id\nami-launch-index\n/)
    assert.equal((await ask('/2009-04-04/meta-data/placement/availability-zone/')).text, 'nova')
    assert.equal((await ask('/latest/meta-data/security-groups')).text, 'default\nweb')
    assert.equal((await ask('/latest/meta-data/instance-id')).text, 'i-0f0e0d0c')
    assert.equal((await ask('/latest/meta-data/public-ipv4')).text, '198.51.100.9')
  })

  test('keys are listed by number and name, and there is no folder without one', async () => {
    assert.equal((await ask('/latest/meta-data/public-keys/')).text, '0=laptop')
    assert.equal((await ask('/latest/meta-data/public-keys/0/')).text, 'openssh-key')
    assert.equal((await ask('/latest/meta-data/public-keys/0/openssh-key')).text, 'ssh-ed25519 AAAA me')
    assert.equal((await ask('/latest/meta-data/public-keys/', { from: 'red 10.0.0.5' })).status, 404)
  })

  test('user data is the bytes that were given, and 404 when none were', async () => {
    assert.deepEqual((await ask('/latest/user-data')).bytes, userData)
    assert.equal((await ask('/latest/user-data', { from: 'red 10.0.0.5' })).status, 404)
  })

  test('older versions show less; unknown ones and unknown names are 404', async () => {
    assert.equal((await ask('/1.0/meta-data/hostname')).status, 200)
    assert.equal((await ask('/1.0/meta-data/public-ipv4')).status, 404)
    for (const path of ['/2010-01-01/', '/latest/nothing', '/latest/meta-data/hostname/x', '/latest/constructor'])
      assert.equal((await ask(path)).status, 404, path)
  })
})

describe("OpenStack's form", () => {
  test('each version lists what it has', async () => {
    assert.match((await ask('/openstack/')).text, /^2012-08-10\n.*latest$/s)
    assert.equal((await ask('/openstack/2012-08-10')).text, 'meta_data.json\nuser_data')
    assert.equal(
      (await ask('/openstack/latest/', { from: 'red 10.0.0.5' })).text,
      'meta_data.json\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json',
    )
    assert.equal((await ask('/openstack/2012-08-10/vendor_data.json')).status, 404)
    assert.equal((await ask('/openstack/1999-01-01')).status, 404)
    assert.equal((await ask('/openstack/latest/meta_data.json/x')).status, 404)
  })

  test('meta_data.json', async () => {
    const answer = await ask('/openstack/latest/meta_data.json')
    assert.equal(answer.type, 'application/json')
    assert.deepEqual(JSON.parse(answer.text), {
      uuid: web.id,
      meta: { role: 'front' },
      public_keys: { laptop: 'ssh-ed25519 AAAA me' },
      keys: [{ name: 'laptop', type: 'ssh', data: 'ssh-ed25519 AAAA me' }],
      hostname: 'web.lab.example',
      name: 'Web',
      launch_index: 2,
      availability_zone: 'nova',
      random_seed: 'c2VlZA==',
      project_id: 'blue-project',
      devices: [{ type: 'nic', bus: 'none', address: 'none', mac: 'fa:16:3e:00:00:01', tags: ['front-door'] }],
    })
    const old = JSON.parse((await ask('/openstack/2012-08-10/meta_data.json')).text)
    assert.deepEqual([old.random_seed, old.project_id, old.devices], [undefined, undefined, undefined])
  })

  test('network_data.json has the addresses as they are set', async () => {
    const { links, networks, services } = JSON.parse((await ask('/openstack/latest/network_data.json')).text)
    assert.deepEqual(links, [
      {
        id: 'tapabcdef01234',
        vif_id: 'abcdef0123456789',
        type: 'bridge',
        mtu: 1450,
        ethernet_mac_address: 'fa:16:3e:00:00:01',
      },
    ])
    assert.deepEqual(networks[0].routes, [
      { network: '0.0.0.0', netmask: '0.0.0.0', gateway: '10.0.0.1' },
      { network: '10.9.0.0', netmask: '255.255.0.0', gateway: '10.0.0.7' },
    ])
    assert.deepEqual(
      [networks[0].id, networks[0].ip_address, networks[0].netmask],
      ['network0', '10.0.0.5', '255.255.255.0'],
    )
    assert.deepEqual(services, [{ type: 'dns', address: '169.254.169.254' }])
  })

  test('vendor data, static as the operator wrote it', async () => {
    assert.deepEqual(JSON.parse((await ask('/openstack/latest/vendor_data.json')).text), {
      support: 'desk@lab.example',
    })
    assert.deepEqual(JSON.parse((await ask('/openstack/latest/vendor_data2.json')).text), {
      static: { support: 'desk@lab.example' },
    })
  })
})

describe('the password', () => {
  const path = '/openstack/latest/password'
  test('is written once, and read', async () => {
    assert.deepEqual([(await ask(path)).status, (await ask(path)).text], [200, ''])
    assert.equal((await ask(path, { method: 'POST', body: 'c2VjcmV0' })).status, 200)
    assert.equal((await ask(path)).text, 'c2VjcmV0')
    assert.equal((await ask(path, { method: 'POST', body: 'again' })).status, 409)
    assert.equal(passwords.get(web.id), 'c2VjcmV0')
  })

  test('is refused when it is too long, and by any other method', async () => {
    assert.equal((await ask(path, { method: 'POST', body: 'x'.repeat(1021) })).status, 400)
    assert.equal((await ask(path, { method: 'DELETE' })).status, 400)
    assert.equal(passwords.size, 0)
  })
})
