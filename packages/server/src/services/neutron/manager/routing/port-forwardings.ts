/** Port forwardings: single ports of a floating IP, each leading to a port of some server. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { floatingIpKind, portForwardingKind } from '../../store/kinds.ts'
import { equals, fetch, insert, list, remove, update } from '../../store/records.ts'
import type { FloatingIp, Port, PortForwarding } from '../../store/tables.ts'
import { type Collection, viewerOf } from '../collection.ts'
import { routerBetween } from './floating-ips.ts'
import { born, changed, type NeutronParts } from '../parts.ts'
import { missing } from '../refusals.ts'

export interface ForwardingInput {
  protocol?: string
  external_port?: number
  external_port_last?: number
  internal_port?: number
  internal_port_last?: number
  internal_port_id?: string
  internal_ip_address?: string
  description?: string
}

const refuse = (why: string, field?: string) =>
  badRequest(`Bad port_forwarding request: ${why}.`, { type: 'BadRequest', field })

export class PortForwardings {
  readonly #parts: NeutronParts
  readonly #floating: Collection<FloatingIp>
  readonly #ports: Collection<Port>
  constructor(parts: NeutronParts, collections: { floating: Collection<FloatingIp>; ports: Collection<Port> }) {
    this.#parts = parts
    this.#floating = collections.floating
    this.#ports = collections.ports
  }

  async list(ctx: RequestContext, floatingId: string): Promise<PortForwarding[]> {
    await this.#floating.fetch(viewerOf(ctx), floatingId)
    return list(this.#parts.db, portForwardingKind, { conditions: [equals('floatingip_id', floatingId)] })
  }

  async fetch(ctx: RequestContext, floatingId: string, id: string): Promise<PortForwarding> {
    await this.#floating.fetch(viewerOf(ctx), floatingId)
    return this.#fetch(this.#parts.db as unknown as Tx, floatingId, id)
  }

  async #fetch(tx: Tx, floatingId: string, id: string): Promise<PortForwarding> {
    const found = await fetch(tx, portForwardingKind, id)
    if (found?.floatingip_id === floatingId) return found
    throw missing(portForwardingKind, id)
  }

  create(ctx: RequestContext, floatingId: string, input: ForwardingInput): Promise<PortForwarding> {
    return this.#parts.db.transaction(async (tx) => {
      const floating = await this.#floating.owned(tx, ctx, floatingId, 'create_floatingip_port_forwarding')
      if (floating.port_id !== null)
        throw conflict(
          `Floating IP ${floatingId} is associated with port ${floating.port_id}: it cannot have port ` +
            `forwardings as well.`,
          { type: 'FipInUseByPort' },
        )
      const { protocol, internal_port_id: portId } = input
      if (!protocol || !portId || !input.external_port || !input.internal_port)
        throw refuse('protocol, internal_port_id, internal_port and external_port are required')
      const wanted = await this.#complete(tx, ctx, floating, {
        ...born(this.#parts, uuid(), floating.project_id),
        floatingip_id: floatingId,
        ...blank,
        ...input,
      } as PortForwarding)
      await insert(tx, portForwardingKind, wanted)
      return wanted
    })
  }

  update(
    ctx: RequestContext,
    { floatingId, id }: { floatingId: string; id: string },
    input: ForwardingInput,
  ): Promise<PortForwarding> {
    return this.#parts.db.transaction(async (tx) => {
      const floating = await this.#floating.owned(tx, ctx, floatingId, 'update_floatingip_port_forwarding')
      const before = await this.#fetch(tx, floatingId, id)
      const moved =
        input.internal_port_id !== undefined && input.internal_ip_address === undefined
          ? { internal_ip_address: '' }
          : {}
      const wanted = await this.#complete(tx, ctx, floating, { ...before, ...lasts(input), ...input, ...moved })
      return update(tx, portForwardingKind, before, wanted, this.#parts.clock.now())
    })
  }

  /** Fills in what was left open, checks the whole, and makes the router between serve the floating IP. */
  async #complete(tx: Tx, ctx: RequestContext, floating: FloatingIp, draft: PortForwarding): Promise<PortForwarding> {
    const port = await this.#ports.fetch(viewerOf(ctx), draft.internal_port_id, tx)
    const fixed = port.fixed_ips.find(({ ip_address }) =>
      draft.internal_ip_address ? ip_address === draft.internal_ip_address : !ip_address.includes(':'),
    )
    if (!fixed)
      throw refuse(
        `port ${port.id} does not have the address ${draft.internal_ip_address || 'of IPv4'}`,
        'internal_ip_address',
      )
    const wanted = {
      ...draft,
      protocol: draft.protocol.toLowerCase(),
      internal_ip_address: fixed.ip_address,
      external_port_last: draft.external_port_last || draft.external_port,
      internal_port_last: draft.internal_port_last || draft.internal_port,
    }
    assertRanges(wanted)
    await assertFree(tx, wanted)
    const router = await routerBetween(tx, floating, { port, subnetId: fixed.subnet_id })
    if (floating.router_id !== null && floating.router_id !== router.id)
      throw refuse(`floating IP ${floating.id} serves router ${floating.router_id} already`)
    if (floating.router_id === null)
      await update(tx, floatingIpKind, floating, { router_id: router.id, status: 'DOWN' }, this.#parts.clock.now())
    changed(tx, 'port_forwarding', draft.id)
    return wanted
  }

  remove(ctx: RequestContext, floatingId: string, id: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const floating = await this.#floating.owned(tx, ctx, floatingId, 'delete_floatingip_port_forwarding')
      await this.#fetch(tx, floatingId, id)
      await remove(tx, portForwardingKind, id)
      const left = await list(tx, portForwardingKind, { conditions: [equals('floatingip_id', floatingId)], limit: 1 })
      if (left.length === 0)
        await update(tx, floatingIpKind, floating, { router_id: null, status: 'DOWN' }, this.#parts.clock.now())
      changed(tx, 'port_forwarding', id)
    })
  }
}

const blank = { internal_ip_address: '', external_port_last: 0, internal_port_last: 0 }

/** A new first port without a last one is a single port. */
const lasts = (input: ForwardingInput) => ({
  ...(input.external_port !== undefined && { external_port_last: input.external_port }),
  ...(input.internal_port !== undefined && { internal_port_last: input.internal_port }),
})

const assertRanges = (wanted: PortForwarding): void => {
  if (!['tcp', 'udp'].includes(wanted.protocol))
    throw refuse(`protocol '${wanted.protocol}' is not supported: use tcp or udp`, 'protocol')
  const outer = wanted.external_port_last - wanted.external_port
  const inner = wanted.internal_port_last - wanted.internal_port
  if (outer < 0 || inner < 0) throw refuse('a port range must not end before it starts')
  if (outer !== inner) throw refuse('the internal and the external port range must be of the same size')
}

const assertFree = async (tx: Tx, wanted: PortForwarding): Promise<void> => {
  const others = await list(tx, portForwardingKind, {
    conditions: [equals('floatingip_id', wanted.floatingip_id), equals('protocol', wanted.protocol)],
  })
  const other = others.find(
    (one) =>
      one.id !== wanted.id &&
      one.external_port <= wanted.external_port_last &&
      wanted.external_port <= one.external_port_last,
  )
  if (other)
    throw refuse(
      `A duplicate port forwarding entry with same attributes already exists, conflicting values are ` +
        `external_port ${wanted.external_port} of ${other.id}`,
      'external_port',
    )
}
