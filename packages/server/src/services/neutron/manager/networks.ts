/** Networks: making, changing and removing them, and what opens them to others. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { uuid } from '#platform/ids/ids.ts'
import { conflict } from '#platform/errors/errors.ts'
import { ownOrOpened, sharedAmong } from '../store/access.ts'
import { floatingIpKind, networkKind, portKind, rbacKind, subnetKind } from '../store/kinds.ts'
import { equals, fetch, insertIfFree, list, remove, update } from '../store/records.ts'
import type { Network, Port, RbacPolicy, Subnet } from '../store/tables.ts'
import { Collection } from './collection.ts'
import { born, changed, charge, randomBelow, refund, type NeutronParts } from './parts.ts'
import { portDrop } from './port-maker.ts'
import { invalid, networkInUse } from './refusals.ts'

export interface NetworkInput extends Partial<Network> {
  project_id: string
  shared?: boolean
}

const vxlanBytes = 50
const segmentIdMax = (1n << 24n) - 1n
const segmentTriesMax = 16
const networkTypes = ['vxlan', 'flat', 'local']

export class Networks {
  readonly collection: Collection<Network>
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.collection = new Collection(parts, networkKind, (viewer) => ownOrOpened(viewer, 'network'))
  }

  create(_ctx: RequestContext, inputs: NetworkInput[]): Promise<Network[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: Network[] = []
      for (const input of inputs) made.push(await networkMake(this.#parts, tx, input))
      return made
    })
  }

  update(
    ctx: RequestContext,
    id: string,
    { shared, ...fields }: Partial<NetworkInput>,
    ifMatch?: number,
  ): Promise<Network> {
    return this.#parts.db.transaction(async (tx) => {
      const network = await this.collection.owned(tx, ctx, id, 'update_network', ifMatch)
      assertMtu(this.#parts, fields.mtu)
      if (fields.network_type !== undefined && fields.network_type !== network.network_type)
        throw invalid('Plugin does not support updating provider attributes', 'provider:network_type')
      if (shared !== undefined) await this.#share(tx, network, shared)
      if (fields.external !== undefined && fields.external !== network.external)
        await this.#setExternal(tx, network, fields.external)
      if (fields.is_default && !network.is_default) await assertOnlyDefault(tx)
      const after = await update(tx, networkKind, network, fields, this.#parts.clock.now())
      changed(tx, 'network', id)
      return after
    })
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const network = await this.collection.owned(tx, ctx, id, 'delete_network', ifMatch)
      await networkDrop(this.#parts, tx, network)
    })
  }

  /** Which of the networks are shared with the viewer's project, and each one's subnets. */
  async surroundings(
    projectId: string,
    networks: Network[],
  ): Promise<{ shared: Set<string>; subnets: Map<string, Subnet[]> }> {
    const ids = networks.map(({ id }) => id)
    const [shared, subnets] = await Promise.all([
      sharedAmong(this.#parts.db, 'network', ids, projectId),
      ids.length
        ? list(this.#parts.db, subnetKind, {
            conditions: [(where) => where('network_id', 'in', ids)],
            sort: [
              { column: 'created_at', direction: 'asc' },
              { column: 'id', direction: 'asc' },
            ],
          })
        : [],
    ])
    return { shared, subnets: Map.groupBy(subnets, ({ network_id }) => network_id) }
  }

  async #share(tx: Tx, network: Network, shared: boolean): Promise<void> {
    if (shared) return void (await open(this.#parts, tx, network, 'access_as_shared'))
    const strangers = await list(tx, portKind, {
      conditions: [
        equals('network_id', network.id),
        (where) => where('project_id', 'not in', [network.project_id, '']),
        (where) => where('device_owner', 'not like', 'network:%'),
      ],
      limit: 1,
    })
    if (strangers.length > 0) {
      throw conflict(
        `Unable to reconfigure sharing settings for network ${network.id}. Multiple tenants are using it.`,
        { type: 'InvalidSharedSetting' },
      )
    }
    await close(tx, network, 'access_as_shared')
  }

  async #setExternal(tx: Tx, network: Network, external: boolean): Promise<void> {
    if (external) return void (await open(this.#parts, tx, network, 'access_as_external'))
    const gateways = await list(tx, portKind, {
      conditions: [equals('network_id', network.id), equals('device_owner', 'network:router_gateway')],
      limit: 1,
    })
    if (gateways.length > 0) {
      throw conflict(
        `External network ${network.id} cannot be updated to be made non-external, since it has existing ` +
          `gateway ports.`,
        { type: 'ExternalNetworkInUse' },
      )
    }
    await close(tx, network, 'access_as_external')
  }
}

/** Every tenant network fits into the carrier's frames, which lose room to VXLAN where there may be several hosts. */
export const mtuMax = ({ settings, hosts }: NeutronParts): number =>
  settings.globalMtu - (hosts.known !== undefined || hosts.list().length > 1 ? vxlanBytes : 0)

const assertMtu = (parts: NeutronParts, mtu: number | undefined): void => {
  if (mtu !== undefined && mtu > mtuMax(parts))
    throw invalid(`Requested MTU is too big, maximum is ${mtuMax(parts)}`, 'mtu')
}

const assertProvider = (input: NetworkInput): void => {
  const type = input.network_type ?? 'vxlan'
  if (!networkTypes.includes(type))
    throw invalid(
      `network_type value '${type}' not supported: use one of ${networkTypes.join(', ')}`,
      'provider:network_type',
    )
  if (type === 'flat' && !input.physical_network)
    throw invalid('physical_network required for flat provider network', 'provider:physical_network')
}

const assertOnlyDefault = async (tx: Tx): Promise<void> => {
  const [other] = await list(tx, networkKind, { conditions: [equals('is_default', 1)], limit: 1 })
  if (other)
    throw conflict(`A default external network already exists: ${other.id}.`, {
      type: 'DefaultExternalNetworkExists',
    })
}

export const networkMake = async (
  parts: NeutronParts,
  tx: Tx,
  { shared, ...input }: NetworkInput,
): Promise<Network> => {
  assertProvider(input)
  assertMtu(parts, input.mtu)
  if (input.is_default) await assertOnlyDefault(tx)
  const network = await insertWithSegment(
    tx,
    {
      ...born(parts, uuid(), input.project_id),
      name: '',
      admin_state_up: true,
      status: 'ACTIVE',
      external: false,
      network_type: 'vxlan',
      physical_network: null,
      segmentation_id: 0,
      port_security_enabled: true,
      dns_domain: '',
      availability_zone_hints: [],
      is_default: false,
      ...input,
      mtu: input.mtu || mtuMax(parts),
    },
    input.segmentation_id,
  )
  await charge(parts, tx, 'networks', network)
  if (shared) await open(parts, tx, network, 'access_as_shared')
  if (network.external) await open(parts, tx, network, 'access_as_external')
  changed(tx, 'network', network.id)
  return network
}

const insertWithSegment = async (tx: Tx, network: Network, asked: number | undefined): Promise<Network> => {
  for (let tries = 0; tries < segmentTriesMax; tries++) {
    const candidate = { ...network, segmentation_id: asked ?? Number(randomBelow(segmentIdMax)) + 1 }
    if (await insertIfFree(tx, networkKind, candidate)) return candidate
    if (asked !== undefined)
      throw conflict(`Unable to create the network. The tunnel ID ${asked} is in use.`, { type: 'TunnelIdInUse' })
  }
  throw conflict('Unable to create the network. No tenant network is available for allocation.', {
    type: 'NoNetworkAvailable',
  })
}

const isOwnedByNetwork = (port: Port): boolean => port.device_owner === 'network:dhcp'

/** Floating IPs that lead nowhere go with their network; the others keep it. */
const floatingDrop = async (parts: NeutronParts, tx: Tx, network: Network): Promise<void> => {
  const idle = await list(tx, floatingIpKind, {
    conditions: [equals('floating_network_id', network.id), (where) => where('router_id', 'is', null)],
  })
  for (const floating of idle) {
    await remove(tx, floatingIpKind, floating.id)
    const port = await fetch(tx, portKind, floating.own_port_id)
    if (port) await portDrop(parts, tx, port)
    await refund(parts, tx, 'floatingips', floating)
  }
}

export const networkDrop = async (parts: NeutronParts, tx: Tx, network: Network): Promise<void> => {
  if (network.external) await floatingDrop(parts, tx, network)
  const ports = await list(tx, portKind, { conditions: [equals('network_id', network.id)] })
  const others = ports.filter((port) => !isOwnedByNetwork(port))
  if (others.length > 0)
    throw networkInUse(
      network.id,
      others.map(({ id }) => id),
    )
  for (const port of ports) await portDrop(parts, tx, port)
  for (const subnet of await list(tx, subnetKind, { conditions: [equals('network_id', network.id)] })) {
    await remove(tx, subnetKind, subnet.id)
    await refund(parts, tx, 'subnets', subnet)
  }
  await tx
    .as<any>()
    .deleteFrom('neutron_rbac')
    .where('object_type', '=', 'network')
    .where('object_id', '=', network.id)
    .execute()
  await remove(tx, networkKind, network.id)
  await refund(parts, tx, 'networks', network)
  changed(tx, 'network', network.id)
}

const open = (parts: NeutronParts, tx: Tx, network: Network, action: string): Promise<boolean> => {
  const policy: RbacPolicy = {
    ...born(parts, uuid(), network.project_id),
    object_type: 'network',
    object_id: network.id,
    action,
    target_tenant: '*',
  }
  return insertIfFree(tx, rbacKind, policy)
}

const close = async (tx: Tx, network: Network, action: string): Promise<void> => {
  await tx
    .as<any>()
    .deleteFrom('neutron_rbac')
    .where('object_type', '=', 'network')
    .where('object_id', '=', network.id)
    .where('action', '=', action)
    .where('target_tenant', '=', '*')
    .execute()
}
