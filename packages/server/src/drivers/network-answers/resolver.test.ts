/** The resolver over bytes: names, askers, domains, reverse names, forwarding, and what is no question at all. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { isTruncated, nameBytes, queryBytes, rcodeOf, rcodes, ttlOffsets, types } from './dns-message.ts'
import { Forwarder, type AskUpstream } from './forwarder.ts'
import { Resolver, type Transport } from './resolver.ts'

const network = (rest: Partial<WantedNetwork> = {}): WantedNetwork => ({
  id: 'blue',
  segmentationId: 1,
  mtu: 1500,
  external: false,
  subnets: [{ id: 's', cidr: '10.0.0.0/24', dnsNameservers: [], hostRoutes: [], enableDhcp: true }],
  hostAddresses: [],
  remotes: [],
  dnsDomain: 'lab.example',
  names: [
    { name: 'web', addresses: ['10.0.0.5', 'fd00::5'] },
    { name: 'farm', addresses: ['10.0.0.6', '10.0.0.7', '10.0.0.8'], isAlias: true },
    { name: 'db', addresses: ['10.0.0.9'] },
    { name: 'db', addresses: ['10.0.0.7'], askers: ['10.0.0.5'], isAlias: true },
  ],
  ...rest,
})

const nobody: AskUpstream = () => Promise.reject(new Error('nobody answers'))

const resolverOf = (wanted = network(), ask = nobody, clock = new ManualClock()) =>
  new Resolver(
    { forwarder: new Forwarder(clock, ask), hostUpstreams: () => [{ address: '192.0.2.53', port: 53 }] },
    wanted,
  )

interface Shown {
  rcode: number
  data: string[]
  truncated: boolean
  bytes: Buffer
}

/** The answers as hexadecimal: an address has 8 or 32 digits. */
const shown = (bytes: Buffer): Shown => {
  const data = (ttlOffsets(bytes) ?? []).map((at) => {
    const length = bytes.readUInt16BE(at + 4)
    return bytes.subarray(at + 6, at + 6 + length).toString('hex')
  })
  return { rcode: rcodeOf(bytes), data, truncated: isTruncated(bytes), bytes }
}

const question = async (
  resolver: Resolver,
  name: string,
  { type = types.a as number, asker = '10.0.0.6', transport = 'udp' as Transport } = {},
): Promise<Shown> => shown((await resolver.answer(queryBytes(77, name, type), asker, transport))!)

const v4 = (address: string): string =>
  address
    .split('.')
    .map((octet) => Number(octet).toString(16).padStart(2, '0'))
    .join('')

describe('names of the network', () => {
  test('bare, in its own domain, in the common one, in any case, and called after the address', async () => {
    const resolver = resolverOf()
    for (const name of ['web', 'WEB.Lab.Example', 'web.openstacklocal', 'host-10-0-0-5', 'host-10-0-0-5.lab.example'])
      assert.deepEqual((await question(resolver, name)).data, [v4('10.0.0.5')], name)
    assert.deepEqual((await question(resolver, 'web', { type: types.aaaa })).data, ['fd00' + '0'.repeat(27) + '5'])
  })

  test('a name without the asked type is there, and empty', async () => {
    const answer = await question(resolverOf(), 'db', { type: types.aaaa })
    assert.deepEqual([answer.rcode, answer.data], [rcodes.ok, []])
    assert.deepEqual((await question(resolverOf(), 'db', { type: 16 })).rcode, rcodes.ok)
  })

  test('what would be ours and is not does not exist, and nobody else is asked', async () => {
    for (const name of ['nothing', 'nothing.lab.example', 'host-10-0-0-77', '77.0.0.10.in-addr.arpa'])
      assert.equal((await question(resolverOf(), name)).rcode, rcodes.noName, name)
  })

  test('a link is for its asker, before what the name means to others', async () => {
    const resolver = resolverOf()
    assert.deepEqual((await question(resolver, 'db', { asker: '10.0.0.5' })).data, [v4('10.0.0.7')])
    assert.deepEqual((await question(resolver, 'db', { asker: '10.0.0.6' })).data, [v4('10.0.0.9')])
  })

  test('a shared alias is answered with each address first in turn', async () => {
    const resolver = resolverOf()
    const firsts = []
    for (let turn = 0; turn < 4; turn++) firsts.push((await question(resolver, 'farm')).data[0])
    assert.deepEqual(firsts, ['10.0.0.6', '10.0.0.7', '10.0.0.8', '10.0.0.6'].map(v4))
  })

  test('an address has the name of its port, and never an alias', async () => {
    const resolver = resolverOf()
    const found = await question(resolver, '5.0.0.10.in-addr.arpa', { type: types.ptr })
    assert.deepEqual(found.data, [nameBytes('web.lab.example').toString('hex')])
    assert.equal((await question(resolver, '8.0.0.10.in-addr.arpa', { type: types.ptr })).rcode, rcodes.noName)
  })

  test('names change with the network', async () => {
    const resolver = resolverOf()
    resolver.update(network({ names: [{ name: 'web', addresses: ['10.0.0.44'] }] }))
    assert.deepEqual((await question(resolver, 'web')).data, [v4('10.0.0.44')])
    assert.equal((await question(resolver, 'db')).rcode, rcodes.noName)
  })
})

/** A resolver of the world: one address for every name, with a TTL, and a note of what it was asked. */
const world = (ttl: number) => {
  const asked: string[] = []
  const ask: AskUpstream = async ({ address }, query) => {
    asked.push(address)
    const record = Buffer.from('c00c00010001000000000004c6336407', 'hex')
    record.writeUInt32BE(ttl, 6)
    const reply = Buffer.concat([query, record])
    reply.writeUInt16BE(0x8180, 2)
    reply.writeUInt16BE(1, 6)
    return reply
  }
  return { ask, asked }
}

describe('names of others', () => {
  test("are asked at the subnet's servers, else at the host's own", async () => {
    const { ask, asked } = world(60)
    assert.deepEqual((await question(resolverOf(network(), ask), 'www.example.org')).data, [v4('198.51.100.7')])
    const [subnet] = network().subnets
    const named = network({ subnets: [{ ...subnet!, dnsNameservers: ['203.0.113.1'] }] })
    await question(resolverOf(named, ask), 'www.example.org')
    assert.deepEqual(asked, ['192.0.2.53', '203.0.113.1'])
  })

  test("a subnet's server is not asked when its address means the host, its link or another tenant", async () => {
    const { ask, asked } = world(60)
    const [subnet] = network().subnets
    for (const address of ['127.0.0.1', '169.254.169.254', '10.0.0.53', '::1', 'fe80::1', '0.0.0.0', '239.1.1.1']) {
      const named = network({ subnets: [{ ...subnet!, dnsNameservers: [address] }] })
      assert.equal((await question(resolverOf(named, ask), 'www.example.org')).rcode, rcodes.serverFailure, address)
    }
    assert.deepEqual(asked, [])
  })

  test('are remembered for as long as they say, and grow old meanwhile', async () => {
    const { ask, asked } = world(60)
    const clock = new ManualClock()
    const resolver = resolverOf(network(), ask, clock)
    await question(resolver, 'www.example.org')
    clock.advance(20_000)
    const { bytes } = await question(resolver, 'www.example.org')
    assert.equal(bytes.readUInt32BE(ttlOffsets(bytes)![0]!), 40)
    assert.equal(asked.length, 1)
    clock.advance(41_000)
    await question(resolver, 'www.example.org')
    assert.equal(asked.length, 2)
  })

  test('a server that fails leaves it to the next; when none answers, the asker is told', async () => {
    const { ask } = world(60)
    const half: AskUpstream = (upstream, query, signal) =>
      upstream.address === '203.0.113.1' ? nobody(upstream, query, signal) : ask(upstream, query, signal)
    const [subnet] = network().subnets
    const two = network({ subnets: [{ ...subnet!, dnsNameservers: ['203.0.113.1', '203.0.113.2'] }] })
    assert.equal((await question(resolverOf(two, half), 'www.example.org')).rcode, rcodes.ok)
    assert.equal((await question(resolverOf(), 'www.example.org')).rcode, rcodes.serverFailure)
  })

  test('a server that is silent is given up after a bounded time', async () => {
    const silent: AskUpstream = (_upstream, _query, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('late'))))
    const clock = new ManualClock()
    const answer = question(resolverOf(network(), silent, clock), 'www.example.org')
    let rcode: number | undefined
    void answer.then((shownAnswer) => (rcode = shownAnswer.rcode))
    while (rcode === undefined) {
      clock.advance(1_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(rcode, rcodes.serverFailure)
  })

  test('one network has so many questions under way, and those of another are asked all the same', async () => {
    let asked = 0
    const silent: AskUpstream = () => new Promise(() => void asked++)
    const forwarder = new Forwarder(new ManualClock(), silent)
    const options = { forwarder, hostUpstreams: () => [{ address: '192.0.2.53', port: 53 }] }
    const [busy, calm] = [new Resolver(options, network()), new Resolver(options, network({ id: 'red' }))]
    for (let at = 0; at < 128; at++) void question(busy, `name-${at}.example.org`)
    assert.equal((await question(busy, 'one-more.example.org')).rcode, rcodes.serverFailure)
    assert.equal(asked, 128)
    void question(calm, 'www.example.org')
    assert.equal(asked, 129)
  })

  test('a reply that is too long for a datagram says so, and is whole over TCP', async () => {
    const { ask } = world(60)
    const long: AskUpstream = async (...args) => Buffer.concat([await ask(...args), Buffer.alloc(600)])
    const resolver = resolverOf(network(), long)
    const short = await question(resolver, 'www.example.org')
    assert.deepEqual([short.truncated, short.data], [true, []])
    assert.ok((await question(resolver, 'www.example.org', { transport: 'tcp' })).bytes.length > 600)
  })
})

describe('what else comes in', () => {
  test('our own long answer is cut for plain askers, and whole for those with EDNS or over TCP', async () => {
    const addresses = Array.from({ length: 40 }, (_, at) => `10.0.0.${at + 10}`)
    const resolver = resolverOf(network({ names: [{ name: 'many', addresses }] }))
    assert.equal((await question(resolver, 'many')).truncated, true)
    assert.equal((await question(resolver, 'many', { transport: 'tcp' })).data.length, 40)
    const plain = queryBytes(1, 'many', types.a)
    plain.writeUInt16BE(1, 10)
    const edns = Buffer.concat([plain, Buffer.from('0000291000000000000000', 'hex')])
    const answer = shown((await resolver.answer(edns, '10.0.0.6', 'udp'))!)
    assert.deepEqual([answer.truncated, answer.data.length], [false, 40])
  })

  test('noise is not answered, half a question is called malformed, other operations are not done', async () => {
    const resolver = resolverOf()
    assert.equal(await resolver.answer(Buffer.from('hi'), '10.0.0.6', 'udp'), undefined)
    const reply = queryBytes(1, 'web', types.a)
    reply.writeUInt16BE(0x8180, 2)
    assert.equal(await resolver.answer(reply, '10.0.0.6', 'udp'), undefined)
    const half = queryBytes(1, 'web', types.a).subarray(0, 15)
    assert.equal(rcodeOf((await resolver.answer(half, '10.0.0.6', 'udp'))!), rcodes.formatError)
    const update = queryBytes(1, 'web', types.a)
    update.writeUInt16BE(5 << 11, 2)
    assert.equal(rcodeOf((await resolver.answer(update, '10.0.0.6', 'udp'))!), rcodes.notImplemented)
  })

  test('any bytes at all are survived', async () => {
    const resolver = resolverOf()
    let seed = 1
    for (let round = 0; round < 2_000; round++) {
      const bytes = queryBytes(round, 'web.lab.example', types.a)
      for (let change = 0; change < 3; change++) {
        seed = (seed * 1103515245 + 12345) % 2147483648
        bytes[seed % bytes.length] = (seed >> 8) & 0xff
      }
      await resolver.answer(bytes.subarray(0, 12 + (seed % (bytes.length - 11))), '10.0.0.6', 'udp')
    }
  })
})
