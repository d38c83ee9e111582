/** Random histories on a real host: after each step it is what is wanted, no more, no less; at the end it is clean. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { HostNetworkState, WantedNetwork, WantedPort, WantedRouter } from '#services/neutron/ports.ts'
import { inSandbox, Lab, labGroup, labIsMissing, labNetwork, labPort, noState, openGroup, type Sandbox } from './lab.ts'
import { bridgeDevice, portDevice } from './names.ts'

const networkCount = 3
const boxCount = 5
const open = openGroup()
const closed = labGroup([{ direction: 'egress' }])

type Move =
  | { kind: 'network'; at: number }
  | { kind: 'router' }
  | { kind: 'floating'; at: number }
  | { kind: 'port'; box: number; network: number; isOpen: boolean; how: 'plug' | 'sync' }
  | { kind: 'remove'; box: number; how: 'unplug' | 'sync' }
  | { kind: 'restart'; box: number }
  | { kind: 'damage'; at: number; what: 'bridge' | 'filter' | 'namespace' | 'veth' }
  | { kind: 'forget' }

const index = (below: number) => fc.integer({ min: 0, max: below - 1 })
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('network' as const), at: index(networkCount) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('port' as const),
      box: index(boxCount),
      network: index(networkCount),
      isOpen: fc.boolean(),
      how: fc.constantFrom('plug' as const, 'sync' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      box: index(boxCount),
      how: fc.constantFrom('unplug' as const, 'sync' as const),
    }),
  },
  fc.record({ kind: fc.constant('router' as const) }),
  fc.record({ kind: fc.constant('floating' as const), at: index(boxCount) }),
  fc.record({ kind: fc.constant('restart' as const), box: index(boxCount) }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('damage' as const),
      at: index(networkCount),
      what: fc.constantFrom('bridge' as const, 'filter' as const, 'namespace' as const, 'veth' as const),
    }),
  },
  fc.record({ kind: fc.constant('forget' as const) }),
)

/** A little cloud beside the host: what is wanted, and the moves that change it. */
class History {
  readonly #lab: Lab
  #host: Lab['host']
  // Two networks share a prefix on purpose.
  readonly #networks = [labNetwork({}, '10.9.0.0/24'), labNetwork({}, '10.9.0.0/24'), labNetwork({}, '10.8.0.0/24')]
  readonly #outside = labNetwork({ external: true, hostAddresses: [{ cidr: '172.24.4.1/24' }] }, '172.24.4.0/24')
  readonly #alive = new Set<number>()
  readonly #boxes: Sandbox[]
  readonly #ports = new Map<number, WantedPort>()
  #hasRouter = false
  #floating: number | undefined

  constructor(lab: Lab, boxes: Sandbox[]) {
    this.#lab = lab
    this.#host = lab.host
    this.#boxes = boxes
  }

  wanted(): HostNetworkState {
    const networks = [...this.#alive].sort().map((at) => this.#network(at))
    return {
      networks: this.#hasRouter ? [this.#outside, ...networks] : networks,
      ports: [...this.#ports.values()],
      routers: this.#hasRouter ? [this.#router(networks)] : [],
      securityGroups: [open, closed],
    }
  }

  async make(step: Move): Promise<void> {
    if (step.kind === 'network') this.#toggle(step.at)
    if (step.kind === 'router') this.#hasRouter = !this.#hasRouter
    if (step.kind === 'floating') this.#floating = step.at
    if (step.kind === 'forget') this.#host = this.#lab.open()
    if (step.kind === 'port') await this.#add(step)
    if (step.kind === 'remove') await this.#remove(step)
    if (step.kind === 'restart') await this.#restart(step.box)
    if (step.kind === 'damage') await this.#damage(step)
  }

  /** The host is the wanted one: by its own report, in the eyes of a driver that knows nothing, and by packets. */
  async check(): Promise<void> {
    const wanted = this.wanted()
    const report = await this.#host.sync(wanted)
    assert.deepEqual([report.portsFailed, report.problems], [[], []])
    const stranger = this.#lab.open()
    assert.equal((await stranger.sync(wanted)).commands, 0)
    assert.deepEqual(await stranger.leaks(wanted), [])
    await this.#checkPackets()
  }

  async #checkPackets(): Promise<void> {
    const [[fromBox, from], [, to]] = [this.#nth(0), this.#nth(1)]
    if (!from || !to || fromBox === undefined) return
    const box = this.#boxes[fromBox]
    assert.ok(box)
    const isRouted = this.#hasRouter && this.#isRoutable(from) && this.#isRoutable(to)
    const reaches = to.securityGroupIds.includes(open.id) && (from.networkId === to.networkId || isRouted)
    const sharesAddress = from.addresses[0]?.ip === to.addresses[0]?.ip
    if (!sharesAddress) assert.equal(await this.#lab.pings(box, to.addresses[0]?.ip ?? ''), reaches)
  }

  #nth(at: number): [number | undefined, WantedPort | undefined] {
    return [...this.#ports][at] ?? [undefined, undefined]
  }
  #network(at: number): WantedNetwork {
    const network = this.#networks[at]
    assert.ok(network)
    return network
  }
  #isRoutable(port: WantedPort): boolean {
    return port.networkId !== this.#networks[1]?.id
  }

  /** Of the two networks with one prefix the router joins the first only. */
  #router(networks: WantedNetwork[]): WantedRouter {
    const floating = this.#ports.get(this.#floating ?? -1)
    return {
      id: '00000000-0000-4000-8000-000000000001',
      portForwardings: [],
      routes: [],
      interfaces: networks
        .filter((network) => network !== this.#networks[1])
        .map((network) => ({
          portId: network.id,
          networkId: network.id,
          mac: 'fa:16:3e:aa:00:01',
          addresses: [`${network.subnets[0]?.gatewayIp}/24`],
        })),
      gateway: {
        portId: this.#outside.id,
        networkId: this.#outside.id,
        mac: 'fa:16:3e:bb:00:01',
        addresses: ['172.24.4.10/24'],
        gatewayIps: ['172.24.4.1'],
        snat: true,
      },
      floatingIps:
        floating && this.#isRoutable(floating)
          ? [{ address: '172.24.4.50', fixedIp: floating.addresses[0]?.ip ?? '' }]
          : [],
    }
  }

  #toggle(at: number): void {
    if (!this.#alive.delete(at)) {
      this.#alive.add(at)
      return
    }
    for (const [box, port] of this.#ports) if (port.networkId === this.#network(at).id) this.#ports.delete(box)
  }

  async #add({ box, network: at, isOpen, how }: Extract<Move, { kind: 'port' }>): Promise<void> {
    const sandbox = this.#boxes[box]
    if (this.#ports.has(box) || !sandbox) return
    this.#alive.add(at)
    const network = this.#network(at)
    const group = isOpen ? open : closed
    const port = inSandbox(labPort(network, 20 + box, { securityGroupIds: [group.id] }), sandbox)
    this.#ports.set(box, port)
    if (how === 'plug') await this.#host.plug(network, port, [group])
  }

  async #remove({ box, how }: Extract<Move, { kind: 'remove' }>): Promise<void> {
    const port = this.#ports.get(box)
    if (!port) return
    this.#ports.delete(box)
    if (how === 'unplug') await this.#host.unplug(port.id)
  }

  async #restart(box: number): Promise<void> {
    const old = this.#boxes[box]
    if (old) await this.#lab.kill(old)
    const fresh = await this.#lab.sandbox()
    this.#boxes[box] = fresh
    const port = this.#ports.get(box)
    if (port) this.#ports.set(box, inSandbox(port, fresh))
  }

  async #damage({ at, what }: Extract<Move, { kind: 'damage' }>): Promise<void> {
    const network = this.#network(at)
    const inside = this.#host.namespaceOf(network.id)
    const victim = [...this.#ports.values()].find((port) => port.networkId === network.id)
    if (what === 'bridge') await this.#lab.in(inside, 'ip', 'link', 'del', 'dev', bridgeDevice)
    if (what === 'filter') await this.#lab.in(inside, 'nft', 'flush', 'ruleset')
    if (what === 'veth' && victim) await this.#lab.in(inside, 'ip', 'link', 'del', 'dev', portDevice(victim.id))
    if (what === 'namespace')
      await this.#lab.in(this.#lab.namespace(), 'ip', 'netns', 'del', this.#lab.names.networkNamespace(network.id))
  }
}

test(
  'any history leaves the host as wanted, and clean in the end',
  { skip: labIsMissing, timeout: 300_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 8, maxLength: 16 }), async (moves) => {
        await using lab = await Lab.create()
        const boxes = await Promise.all(Array.from({ length: boxCount }, () => lab.sandbox()))
        const history = new History(lab, boxes)
        for (const step of moves) {
          await history.make(step)
          await history.check()
        }
        await lab.host.sync(noState())
        await lab.host.sync(noState())
        assert.deepEqual(await lab.host.leaks(noState()), [])
        assert.doesNotMatch((await lab.in(lab.namespace(), 'ip', '-br', 'link')).output, /qhl/)
      }),
      { numRuns: 6, endOnFailure: true },
    )
  },
)
