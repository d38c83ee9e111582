/** A running cloud heals its host's network by itself, whatever somebody broke; the times it took are told. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { Lab, labIsMissing, until, type Answer, type Sandbox } from '#drivers/linux-net/lab.ts'
import { portDevice } from '#drivers/linux-net/names.ts'
import { NetworkCloud } from './network-random/cloud.ts'
import { expectedFacts, isBound, listingOf } from './network-random/expected.ts'
import { observedFacts } from './network-random/observed.ts'

/** What is told should be five seconds at most; what is asserted leaves room for a machine with much else to do. */
const patienceMs = 60_000
const floating = '172.24.4.200'

describe('a running cloud', { skip: labIsMissing }, () => {
  let lab: Lab
  let cloud: NetworkCloud
  let boxes: Sandbox[]
  let world: Sandbox
  let network: string
  let port: any

  before(async () => {
    lab = await Lab.create()
    // As Docker leaves it: without the cloud's own rule nothing is forwarded.
    await lab.in(lab.namespace(), 'iptables', '-P', 'FORWARD', 'DROP')
    cloud = await NetworkCloud.start(lab)
    boxes = [await lab.sandbox(), await lab.sandbox()]
    world = await lab.sandbox()
    await lab.wire(lab.namespace(), '198.51.100.1/24', world.netns, '198.51.100.2/24')
    const { networks } = await listingOf(cloud)
    network = networks.find((each) => !each['router:external']).id
    for (const box of boxes) await cloud.attach(box, network, [])
    await openDoor()
    await until(isWhole, patienceMs)
  })
  after(async () => {
    await cloud.close()
    await lab[Symbol.asyncDispose]()
  })

  /** ICMP from everywhere, and a floating IP for the first sandbox. */
  const openDoor = async (): Promise<void> => {
    const { ports, networks } = await listingOf(cloud)
    port = ports.find((each) => isBound(each) && each.device_id === boxes[0]?.id)
    const rule = { security_group_id: port.security_groups[0], direction: 'ingress', protocol: 'icmp' }
    assert.equal((await cloud.ask('POST', '/security-group-rules', { security_group_rule: rule })).status, 201)
    const outside = networks.find((each) => each['router:external']).id
    const floatingip = { floating_network_id: outside, port_id: port.id, floating_ip_address: floating }
    assert.equal((await cloud.ask('POST', '/floatingips', { floatingip })).status, 201)
  }

  /** By the state of the host and by packets: to the neighbour, in by the floating IP, and out into the world. */
  const isWhole = async (): Promise<boolean> => {
    const should = expectedFacts(lab.names, await listingOf(cloud))
    try {
      assert.deepEqual(await observedFacts(lab, boxes), should)
    } catch {
      return false
    }
    const [first, second] = boxes
    return (
      (await lab.pings(second!, port.fixed_ips[0].ip_address)) &&
      (await lab.pings(lab.namespace(), floating)) &&
      (await lab.pings(first!, '198.51.100.2'))
    )
  }

  const inside = () => lab.host.namespaceOf(network)
  const inHost = (...command: string[]) => lab.in(lab.namespace(), ...command)
  const router = async (): Promise<string> => lab.names.routerNamespace((await cloud.list('routers'))[0].id)
  const legs = async (): Promise<string[]> =>
    [...(await inHost('ip', '-br', 'link')).output.matchAll(/qhl\w+/g)].map(String)

  const damages: [name: string, damage: () => Promise<Answer | Answer[]>][] = [
    ['a deleted bridge', () => lab.in(inside(), 'ip', 'link', 'del', 'dev', 'br')],
    ["a network's flushed filter", () => lab.in(inside(), 'nft', 'flush', 'ruleset')],
    ['half a filter', () => lab.in(inside(), 'nft', 'delete', 'table', 'bridge', lab.names.table)],
    ['a deleted veth', () => lab.in(inside(), 'ip', 'link', 'del', 'dev', portDevice(port.id))],
    ['a deleted network namespace', () => inHost('ip', 'netns', 'del', lab.names.networkNamespace(network))],
    ['a wiped router namespace', async () => inHost('ip', 'netns', 'del', await router())],
    ["a router's flushed translation", async () => lab.in(`/run/netns/${await router()}`, 'nft', 'flush', 'ruleset')],
    ["the host's lost masquerade", () => inHost('nft', 'delete', 'table', 'inet', lab.names.table)],
    ["the host's flushed FORWARD", () => inHost('iptables', '-F', 'FORWARD')],
    ['deleted legs', async () => Promise.all((await legs()).map((leg) => inHost('ip', 'link', 'del', 'dev', leg)))],
  ]
  for (const [name, damage] of damages) {
    test(`heals ${name}`, async (t) => {
      const started = systemClock.now()
      for (const { ok, output } of [await damage()].flat()) assert.equal(ok, true, output)
      await until(isWhole, patienceMs)
      t.diagnostic(`healed after ${((systemClock.now() - started) / 1000).toFixed(1)} s`)
    })
  }
})
