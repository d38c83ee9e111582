/** Subnets: making, changing and removing them. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { canonicalAddress, formatAddress } from '#engines/cidr/address.ts'
import { defaultGateway, defaultPools } from '#engines/cidr/pools.ts'
import { formatPrefix, parsePrefix, type Prefix } from '#engines/cidr/prefix.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { ownOrShared } from '../store/access.ts'
import { addressHolder, addressesOfSubnet } from '../store/allocations.ts'
import { networkKind, portKind, subnetKind } from '../store/kinds.ts'
import { equals, fetch, fetchMany, insert, list, remove, update } from '../store/records.ts'
import type { AddressRange, Network, Port, Subnet } from '../store/tables.ts'
import { Collection, ownerTarget, viewerOf } from './collection.ts'
import { dhcpPortEnsure, dhcpPortLeave } from './dhcp-port.ts'
import { isAutomatic, prefixOfSubnet, subnetsOfNetwork } from './ipam.ts'
import { born, changed, charge, refund, type NeutronParts } from './parts.ts'
import { portChange } from './port-maker.ts'
import { subnetInUse } from './refusals.ts'
import type { SubnetPools } from './subnet-pools.ts'
import { assertSubnet, cidrOf, versioned } from './subnet-checks.ts'

export interface SubnetInput extends Partial<Omit<Subnet, 'gateway_ip' | 'allocation_pools'>> {
  project_id: string
  network_id: string
  ip_version: number
  /** Of the prefix to be cut from a pool. */
  prefixlen?: number
  use_default_subnetpool?: boolean
  /** Undefined: the first address; null: none. */
  gateway_ip?: string | null
  allocation_pools?: AddressRange[]
}

export class Subnets {
  readonly collection: Collection<Subnet>
  readonly #parts: NeutronParts
  readonly #networks: Collection<Network>
  readonly #pools: SubnetPools
  constructor(parts: NeutronParts, networks: Collection<Network>, pools: SubnetPools) {
    this.#pools = pools
    this.#parts = parts
    this.#networks = networks
    this.collection = new Collection(parts, subnetKind, (viewer) => {
      const ofNetworks = ownOrShared(viewer, 'network')
      return (
        ofNetworks &&
        ((where) =>
          where.or([
            where('project_id', '=', viewer.projectId),
            where('network_id', 'in', where.selectFrom('neutron_network').select('id').where(ofNetworks)),
          ]))
      )
    })
  }

  create(ctx: RequestContext, inputs: SubnetInput[]): Promise<Subnet[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: Subnet[] = []
      for (const input of inputs) made.push(await this.#create(tx, ctx, input))
      return made
    })
  }

  async #create(tx: Tx, ctx: RequestContext, input: SubnetInput): Promise<Subnet> {
    const network = await this.#networks.fetch(viewerOf(ctx), input.network_id, tx)
    ctx.enforce('create_subnet', ownerTarget(input, network.project_id))
    return subnetMake(this.#parts, tx, network, await this.#cut(tx, ctx, input))
  }

  /** With a pool, the pool says which addresses the subnet gets. */
  async #cut(
    tx: Tx,
    ctx: RequestContext,
    { prefixlen, use_default_subnetpool: useDefault, ...input }: SubnetInput,
  ): Promise<SubnetInput> {
    const pool =
      input.subnetpool_id ?? (useDefault ? (await this.#pools.defaultFind(tx, input.ip_version)).id : undefined)
    if (pool === undefined) {
      if (!input.cidr)
        throw badRequest('Bad subnets request: a subnetpool must be specified in the absence of a cidr.', {
          type: 'BadRequest',
          field: 'cidr',
        })
      return input
    }
    const cidr = await this.#pools.cut(tx, ctx, {
      poolId: pool,
      projectId: input.project_id,
      cidr: input.cidr ?? undefined,
      prefixlen,
      version: input.ip_version,
    })
    return { ...input, cidr, subnetpool_id: pool }
  }

  update(ctx: RequestContext, id: string, changes: Partial<SubnetInput>, ifMatch?: number): Promise<Subnet> {
    return this.#parts.db.transaction(async (tx) => {
      const subnet = await this.collection.owned(tx, ctx, id, 'update_subnet', ifMatch)
      const after = canonical({ ...subnet, ...changes })
      assertSubnet(after, prefixOfSubnet(after), [])
      if (after.gateway_ip !== subnet.gateway_ip) await assertGatewayFree(tx, subnet)
      const saved = await update(tx, subnetKind, subnet, after, this.#parts.clock.now())
      if (after.enable_dhcp !== subnet.enable_dhcp) await this.#followDhcp(tx, saved)
      changed(tx, 'subnet', id)
      return saved
    })
  }

  async #followDhcp(tx: Tx, subnet: Subnet): Promise<void> {
    const network = (await fetch(tx, networkKind, subnet.network_id))!
    if (subnet.enable_dhcp) await dhcpPortEnsure(this.#parts, tx, network, subnet)
    else await dhcpPortLeave(this.#parts, tx, subnet)
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const subnet = await this.collection.owned(tx, ctx, id, 'delete_subnet', ifMatch)
      await dhcpPortLeave(this.#parts, tx, subnet)
      await this.#letGo(tx, subnet)
      await remove(tx, subnetKind, id)
      await refund(this.#parts, tx, 'subnets', subnet)
      changed(tx, 'subnet', id)
    })
  }

  /** Addresses that ports made by themselves go with the subnet; any other keeps it. */
  async #letGo(tx: Tx, subnet: Subnet): Promise<void> {
    const ports = await fetchMany(
      tx,
      portKind,
      (await addressesOfSubnet(tx, subnet.id)).map(({ port_id }) => port_id),
    )
    const holds = (port: Port): boolean => !isAutomatic(subnet) || port.device_owner.startsWith('network:')
    if (ports.some(holds)) throw subnetInUse(subnet.id)
    for (const port of ports) {
      const fixedIps = port.fixed_ips.filter(({ subnet_id }) => subnet_id !== subnet.id)
      await portChange(this.#parts, tx, port, { fields: {}, fixedIps })
    }
  }
}

const canonical = (subnet: Subnet): Subnet => ({
  ...subnet,
  gateway_ip: subnet.gateway_ip && (canonicalAddress(subnet.gateway_ip) ?? subnet.gateway_ip),
  dns_nameservers: subnet.dns_nameservers.map((server) => canonicalAddress(server) ?? server),
})

const rangesOf = (prefix: Prefix, gateway: string | null, version: number): AddressRange[] =>
  defaultPools(prefix, gateway === null ? undefined : versioned(gateway, version, 'gateway_ip')).map(
    ({ first, last, version: of }) => ({
      start: formatAddress({ version: of, value: first }),
      end: formatAddress({ version: of, value: last }),
    }),
  )

export const subnetMake = async (
  parts: NeutronParts,
  tx: Tx,
  network: Network,
  input: SubnetInput,
): Promise<Subnet> => {
  const prefix = cidrOf(input.cidr ?? '')
  const gateway = input.gateway_ip === undefined ? formatAddress(defaultGateway(prefix)) : input.gateway_ip
  const subnet = canonical({
    ...born(parts, uuid(), input.project_id),
    name: '',
    enable_dhcp: true,
    dns_nameservers: [],
    host_routes: [],
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
    subnetpool_id: null,
    service_types: [],
    dns_publish_fixed_ip: false,
    ...input,
    cidr: formatPrefix(prefix),
    gateway_ip: gateway,
    allocation_pools:
      input.allocation_pools ??
      (parsePrefix(input.cidr ?? '')?.version === input.ip_version
        ? rangesOf(prefix, gateway, input.ip_version)
        : []),
  })
  assertSubnet(subnet, prefix, await subnetsOfNetwork(tx, network.id))
  await charge(parts, tx, 'subnets', subnet)
  await insert(tx, subnetKind, subnet)
  if (subnet.enable_dhcp) await dhcpPortEnsure(parts, tx, network, subnet)
  if (isAutomatic(subnet)) await addressPorts(parts, tx, subnet)
  changed(tx, 'subnet', subnet.id)
  return subnet
}

/** Ports that were there before hear the new router advertisements too. */
const addressPorts = async (parts: NeutronParts, tx: Tx, subnet: Subnet): Promise<void> => {
  const ports = await list(tx, portKind, {
    conditions: [equals('network_id', subnet.network_id), (where) => where('device_owner', 'not like', 'network:%')],
  })
  for (const port of ports)
    await portChange(parts, tx, port, { fields: {}, fixedIps: [...port.fixed_ips, { subnet_id: subnet.id }] })
}

const assertGatewayFree = async (tx: Tx, subnet: Subnet): Promise<void> => {
  const holder = subnet.gateway_ip === null ? undefined : await addressHolder(tx, subnet.id, subnet.gateway_ip)
  const port = holder === undefined ? undefined : await fetch(tx, portKind, holder)
  if (port?.device_owner.startsWith('network:router_interface')) {
    throw conflict(`Current gateway ip ${subnet.gateway_ip} already in use by port ${port.id}. Unable to update.`, {
      type: 'GatewayIpInUse',
    })
  }
}
