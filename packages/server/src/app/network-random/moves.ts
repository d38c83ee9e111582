/** Random operations on a cloud: most by its API, some on its containers, some behind its back. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { Sandbox } from '#drivers/linux-net/lab.ts'
import { portDevice } from '#drivers/linux-net/names.ts'
import { isBound } from './expected.ts'
import type { NetworkCloud } from './cloud.ts'

/** `at` and `other` choose among what is there when the move is made. */
export interface Move {
  kind: keyof typeof moves
  at: number
  other: number
}

/** The cloud, and sandboxes by place: one that was restarted is another sandbox of the same container. */
export interface Scene {
  cloud: NetworkCloud
  boxes: Sandbox[]
}

type Play = (scene: Scene, at: number, other: number) => Promise<unknown>

const choose = <T>(items: T[], at: number): T | undefined => items[at % items.length]

/** On the item of the collection that `at` chooses, if there is one. */
const on =
  (
    collection: string,
    play: (scene: Scene, item: any, other: number) => Promise<unknown>,
    of: (item: any) => boolean = () => true,
  ): Play =>
  async (scene, at, other) => {
    const item = choose((await scene.cloud.list(collection)).filter(of), at)
    if (item) await play(scene, item, other)
  }

const isTenants = (network: any): boolean => !network['router:external']

const rules: object[] = [
  { ethertype: 'IPv4', protocol: 'icmp' },
  { ethertype: 'IPv4', protocol: 'tcp', port_range_min: 80, port_range_max: 90 },
  { ethertype: 'IPv6', protocol: 'ipv6-icmp' },
  { ethertype: 'IPv4', remote_ip_prefix: '10.60.0.0/24' },
]

/** Several networks have the same prefix: they never meet. */
const addNetwork: Play = async ({ cloud }, at, other) => {
  const { body } = await cloud.ask('POST', '/networks', { network: { name: `n-${randomUUID()}` } })
  const network_id = body.network.id
  const subnet = { network_id, ip_version: 4, cidr: `10.${60 + (at % 2)}.0.0/24`, name: 'four' }
  await cloud.ask('POST', '/subnets', { subnet })
  const six = { network_id, ip_version: 6, cidr: `fd00:${60 + (at % 2)}::/64`, name: 'six' }
  const mode = { ipv6_address_mode: 'slaac', ipv6_ra_mode: 'slaac' }
  if (other % 2 === 0) await cloud.ask('POST', '/subnets', { subnet: { ...six, ...(other % 4 === 0 && mode) } })
}

const joinSubnet: Play = on('routers', async ({ cloud }, router, other) => {
  const subnet = choose(await cloud.list('subnets'), other)
  if (subnet) await cloud.ask('PUT', `/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
})

const partSubnet: Play = on('routers', async ({ cloud }, router, other) => {
  const ports = (await cloud.list('ports')).filter((port) => port.device_id === router.id)
  const subnet = choose(
    ports.flatMap((port) => port.fixed_ips.map(({ subnet_id }: any) => subnet_id)),
    other,
  )
  if (subnet) await cloud.ask('PUT', `/routers/${router.id}/remove_router_interface`, { subnet_id: subnet })
})

const setGateway: Play = on('routers', async ({ cloud }, router, other) => {
  const outside = (await cloud.list('networks')).find((network) => !isTenants(network))
  const external_gateway_info = other % 3 === 0 || !outside ? null : { network_id: outside.id }
  await cloud.ask('PUT', `/routers/${router.id}`, { router: { external_gateway_info } })
})

const attach: Play = async ({ cloud, boxes }, at, other) => {
  const box = choose(boxes, at)
  const network = choose((await cloud.list('networks')).filter(isTenants), other)
  const isTaken = (await cloud.list('ports')).some((port) => port.device_id === box?.id)
  if (!box || !network || isTaken) return
  const group = choose(await cloud.list('security-groups'), at + other)
  await cloud.attach(box, network.id, group ? [group.id] : [])
}

const restart: Play = async ({ cloud, boxes }, at) => {
  const place = at % boxes.length
  const old = boxes[place]
  if (!old) return
  await cloud.lab.kill(old)
  const fresh = { ...(await cloud.lab.sandbox()), id: old.id }
  boxes[place] = fresh
  await cloud.plug(fresh)
}

const float: Play = on(
  'ports',
  async ({ cloud }, port) => {
    const outside = (await cloud.list('networks')).find((network) => !isTenants(network))
    if (!outside) return
    const floatingip = { floating_network_id: outside.id, port_id: port.id }
    await cloud.ask('POST', '/floatingips', { floatingip })
  },
  isBound,
)

const addRule: Play = on('security-groups', async ({ cloud }, group, other) => {
  const rule = other % 5 === 4 ? { ethertype: 'IPv4', remote_group_id: group.id } : choose(rules, other)
  await cloud.ask('POST', '/security-group-rules', {
    security_group_rule: { ...rule, direction: 'ingress', security_group_id: group.id },
  })
})

const changePort: Play = on(
  'ports',
  async ({ cloud }, port, other) => {
    const group = choose(await cloud.list('security-groups'), other)
    const changes = [
      { security_groups: group ? [group.id] : [] },
      { allowed_address_pairs: [{ ip_address: `10.99.0.${(other % 200) + 1}` }] },
      { allowed_address_pairs: [] },
      { port_security_enabled: true },
    ]
    await cloud.ask('PUT', `/ports/${port.id}`, { port: choose(changes, other) })
  },
  isBound,
)

/** Somebody meddles with the host; the cloud has to see it by itself. */
const damage: Play = on(
  'ports',
  async ({ cloud: { lab } }, port, other) => {
    const name = lab.names.networkNamespace(port.network_id)
    const inside = `/run/netns/${name}`
    const ways: string[][] = [
      ['nft', 'flush', 'ruleset'],
      ['ip', 'link', 'del', 'dev', 'br'],
      ['ip', 'link', 'del', 'dev', portDevice(port.id)],
    ]
    const way = choose([...ways, undefined], other)
    if (way) await lab.in(inside, ...way)
    else await lab.in(lab.namespace(), 'ip', 'netns', 'del', name)
  },
  isBound,
)

const remove = (collection: string, of?: (item: any) => boolean): Play =>
  on(collection, async ({ cloud }, { id }) => cloud.ask('DELETE', `/${collection}/${id}`), of)

const moves = {
  addNetwork,
  addRouter: async ({ cloud }: Scene) => cloud.ask('POST', '/routers', { router: { name: 'r' } }),
  addGroup: async ({ cloud }: Scene) => cloud.ask('POST', '/security-groups', { security_group: { name: 'g' } }),
  addRule,
  joinSubnet,
  partSubnet,
  setGateway,
  attach,
  detach: async ({ cloud, boxes }: Scene, at: number) => {
    const box = choose(boxes, at)
    if (box) await cloud.detach(box)
  },
  restart,
  float,
  changePort,
  toggleRouter: on('routers', async ({ cloud }, router, other) =>
    cloud.ask('PUT', `/routers/${router.id}`, { router: { admin_state_up: other % 3 !== 0 } }),
  ),
  damage,
  removeNetwork: remove('networks', isTenants),
  removeSubnet: remove('subnets'),
  removeRouter: remove('routers'),
  removeFloating: remove('floatingips'),
  removeGroup: remove('security-groups'),
  removeRule: remove('security-group-rules', ({ direction }) => direction === 'ingress'),
} satisfies Record<string, Play>

const weights: Partial<Record<keyof typeof moves, number>> = {
  addNetwork: 3,
  joinSubnet: 4,
  setGateway: 2,
  attach: 8,
  float: 3,
  addRule: 3,
  changePort: 4,
  removeFloating: 2,
  damage: 2,
}

const place = fc.integer({ min: 0, max: 59 })

export const anyMove: fc.Arbitrary<Move> = fc.oneof(
  ...(Object.keys(moves) as Move['kind'][]).map((kind) => ({
    weight: weights[kind] ?? 1,
    arbitrary: fc.record({ kind: fc.constant(kind), at: place, other: place }),
  })),
)

export const play = async (scene: Scene, { kind, at, other }: Move): Promise<void> => {
  await moves[kind](scene, at, other)
}

/** Everything goes, in the order in which nothing is in use; what a new cloud was given too. */
export async function removeAll(scene: Scene): Promise<void> {
  const { cloud, boxes } = scene
  const removeEach = async (collection: string) => {
    for (const { id } of await cloud.list(collection)) await cloud.ask('DELETE', `/${collection}/${id}`)
  }
  for (const box of boxes) await cloud.detach(box)
  await removeEach('floatingips')
  for (const router of await cloud.list('routers')) {
    await cloud.ask('PUT', `/routers/${router.id}`, { router: { external_gateway_info: null } })
    const legs = (await cloud.list('ports')).filter((port) => port.device_id === router.id)
    for (const { id } of legs)
      await cloud.ask('PUT', `/routers/${router.id}/remove_router_interface`, { port_id: id })
  }
  for (const collection of ['routers', 'networks', 'security-groups']) await removeEach(collection)
}
