/** Ports as the API makes, changes and removes them. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { canonicalMac } from '#engines/cidr/mac.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { ownOrOnOwnNetwork, ownOrOpened, type Viewer } from '../store/access.ts'
import { portKind, securityGroupKind } from '../store/kinds.ts'
import { isIn, list } from '../store/records.ts'
import type { Network, Port } from '../store/tables.ts'
import { Collection, ownerTarget, targetOf, viewerOf } from './collection.ts'
import { defaultGroupEnsure } from './default-group.ts'
import { fixedIpsMax, type AddressAsk } from './ipam.ts'
import type { NeutronParts } from './parts.ts'
import { portChange, portDrop, portMake, type NewPort } from './port-maker.ts'
import { foreignAddress, macTaken, missing, portGuarded } from './refusals.ts'

export type PortInput = Omit<NewPort, 'network_id' | 'security_groups'> & {
  network_id: string
  security_groups?: string[]
}
export type PortUpdate = Partial<Omit<Port, 'fixed_ips'>> & { fixed_ips?: AddressAsk[] }

/** Owners whose ports only their device may remove. */
const guards: Record<string, (port: Port) => string> = {
  'network:router_interface': () => 'has device owner network:router_interface',
  'network:router_gateway': () => 'has device owner network:router_gateway',
  'network:floatingip': () => 'has device owner network:floatingip',
}

export class Ports {
  readonly collection: Collection<Port>
  readonly #parts: NeutronParts
  readonly #networks: Collection<Network>
  constructor(parts: NeutronParts, networks: Collection<Network>) {
    this.#parts = parts
    this.#networks = networks
    this.collection = new Collection(parts, portKind, ownOrOnOwnNetwork)
  }

  create(ctx: RequestContext, inputs: PortInput[]): Promise<Port[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: Port[] = []
      for (const input of inputs) made.push(await this.#create(tx, ctx, input))
      return made
    })
  }

  async #create(tx: Tx, ctx: RequestContext, input: PortInput): Promise<Port> {
    const network = await this.#networks.fetch(viewerOf(ctx), input.network_id, tx)
    const target = ownerTarget(input, network.project_id)
    ctx.enforce('create_port', target)
    enforceFields(ctx, 'create_port', input, target)
    assertFixedIps(input.fixed_ips)
    const port = { port_security_enabled: network.port_security_enabled, ...input }
    assertSecurity(port, input)
    return portMake(this.#parts, tx, network, {
      ...port,
      ...(input.mac_address && { mac_address: canonicalMac(input.mac_address) }),
      security_groups: await this.#groupsFor(tx, viewerOf(ctx), port),
    })
  }

  /** Unnamed groups of a guarded port are the project's default group. */
  async #groupsFor(tx: Tx, viewer: Viewer, port: PortInput & { port_security_enabled: boolean }): Promise<string[]> {
    if (port.security_groups !== undefined) return groupsChecked(tx, viewer, port.security_groups)
    const isGuarded =
      port.port_security_enabled && !(port.device_owner ?? '').startsWith('network:') && port.project_id !== ''
    return isGuarded ? [await defaultGroupEnsure(this.#parts, tx, port.project_id)] : []
  }

  update(ctx: RequestContext, id: string, { fixed_ips, ...fields }: PortUpdate, ifMatch?: number): Promise<Port> {
    return this.#parts.db.transaction(async (tx) => {
      const port = await this.collection.owned(tx, ctx, id, 'update_port', ifMatch)
      enforceFields(ctx, 'update_port', { ...fields, fixed_ips }, await targetOf(tx, port), port)
      assertFixedIps(fixed_ips)
      assertSecurity({ ...port, ...fields }, fields)
      const groups = fields.security_groups && (await groupsChecked(tx, viewerOf(ctx), fields.security_groups))
      if (fields.mac_address !== undefined) await this.#assertMac(tx, port, fields)
      const device = fields.device_id !== undefined && fields.device_id !== port.device_id ? { adopted: false } : {}
      return portChange(this.#parts, tx, port, {
        fields: { ...fields, ...device, ...(groups && { security_groups: groups }) },
        fixedIps: fixed_ips,
      })
    })
  }

  async #assertMac(tx: Tx, port: Port, fields: Partial<Port>): Promise<void> {
    const mac = canonicalMac(fields.mac_address!)
    fields.mac_address = mac
    if (mac === port.mac_address) return
    if (port.host && port.sandbox) {
      throw conflict(
        `Unable to complete operation on port ${port.id}, port is already bound, port type: ovs, old_mac ` +
          `${port.mac_address}, new_mac ${mac}.`,
        { type: 'PortBound' },
      )
    }
    const taken = await tx
      .as<any>()
      .selectFrom('neutron_port')
      .select('id')
      .where('network_id', '=', port.network_id)
      .where('mac_address', '=', mac)
      .executeTakeFirst()
    if (taken) throw macTaken(mac, port.network_id)
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const port = await this.collection.owned(tx, ctx, id, 'delete_port', ifMatch)
      const guard = guards[port.device_owner]
      if (guard) throw portGuarded(id, guard(port))
      await portDrop(this.#parts, tx, port)
    })
  }
}

/** Attributes that only the network's owner or an admin may set. */
const guardedFields: { field: keyof PortInput; rule: string; applies?: (value: unknown) => boolean }[] = [
  { field: 'mac_address', rule: 'mac_address' },
  {
    field: 'fixed_ips',
    rule: 'fixed_ips',
    applies: (asks) => (asks as AddressAsk[]).some(({ ip_address }) => ip_address !== undefined),
  },
  { field: 'port_security_enabled', rule: 'port_security_enabled' },
  { field: 'allowed_address_pairs', rule: 'allowed_address_pairs' },
  { field: 'device_owner', rule: 'device_owner', applies: (owner) => String(owner).startsWith('network:') },
  { field: 'host', rule: 'binding:host_id' },
  { field: 'profile', rule: 'binding:profile' },
]

const enforceFields = (
  ctx: RequestContext,
  action: string,
  input: object,
  target: Record<string, unknown>,
  before?: Port,
): void => {
  for (const { field, rule, applies } of guardedFields) {
    const value = (input as Record<string, unknown>)[field]
    if (value === undefined || (applies && !applies(value))) continue
    const same =
      before !== undefined &&
      JSON.stringify((before as unknown as Record<string, unknown>)[field]) === JSON.stringify(value)
    if (!same) ctx.enforce(`${action}:${rule}`, target)
  }
}

const assertFixedIps = (asks: AddressAsk[] | undefined): void => {
  if (asks === undefined) return
  if (asks.length > fixedIpsMax)
    throw badRequest(`Exceeded maximum amount of fixed ips per port: at most ${fixedIpsMax}, ${asks.length} given.`, {
      type: 'InvalidInput',
    })
  const bare = asks.find(({ ip_address, subnet_id }) => ip_address === undefined && subnet_id === undefined)
  if (bare) throw foreignAddress('')
}

/** Without port security nothing guards a port: groups and pairs would be empty promises. */
const assertSecurity = (
  port: { port_security_enabled?: boolean; security_groups?: string[]; allowed_address_pairs?: unknown[] },
  asked: { port_security_enabled?: boolean; security_groups?: string[] },
): void => {
  if (port.port_security_enabled !== false) return
  const groups = asked.security_groups ?? (asked.port_security_enabled === false ? port.security_groups : [])
  if (groups?.length)
    throw conflict(
      'Port has security group associated. Cannot disable port security or IP address until security group is removed.',
      { type: 'PortSecurityPortHasSecurityGroup' },
    )
  if (port.allowed_address_pairs?.length) {
    throw conflict('Port Security must be enabled in order to have allowed address pairs on a port.', {
      type: 'AddressPairAndPortSecurityRequired',
    })
  }
}

/** Groups that the viewer may use: the project's own, or opened to it. */
const groupsChecked = async (tx: Tx, viewer: Viewer, ids: string[]): Promise<string[]> => {
  const wanted = [...new Set(ids)]
  const limit = ownOrOpened(viewer, 'security_group')
  const known = new Set(
    (await list(tx, securityGroupKind, { conditions: [isIn('id', wanted), ...(limit ? [limit] : [])] })).map(
      ({ id }) => id,
    ),
  )
  const unknown = wanted.find((id) => !known.has(id))
  if (unknown !== undefined) throw missing(securityGroupKind, unknown)
  return wanted
}
