/** What a create request says about networks, checked and turned into the ports that each server will have. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, forbidden } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { NetworkInfo, PortInfo } from '#services/neutron/facade.ts'
import type { PortPlan } from './model.ts'
import type { NovaParts } from './parts.ts'

export interface NetworkAsk { networkId?: string; portId?: string; fixedIp?: string; tag?: string }
/** `undefined` and an empty list: Nova's default network. */
export type NetworksAsk = NetworkAsk[] | 'auto' | 'none' | undefined

type Neutron = NovaParts['facades']['neutron']
const viewerOf = (caller: RequestContext) => ({ projectId: caller.projectId, isAdmin: caller.isAdmin })

const assertUsable = (caller: RequestContext, network: NetworkInfo): void => {
  if (network.external && !network.shared && !caller.can('network:attach_external_network')) {
    throw forbidden(`It is not allowed to create an interface on external network ${network.id}`)
  }
  if (!network.subnetIds.length) {
    throw badRequest(`Network ${network.id} requires a subnet in order to boot instances on.`, {
      remedy: 'create a subnet in it',
    })
  }
}

const networkPlan = async (neutron: Neutron, caller: RequestContext, ask: NetworkAsk): Promise<PortPlan> => {
  const network = await neutron.networkFetch(ask.networkId!, viewerOf(caller))
  if (!network) throw badRequest(`Network ${ask.networkId} could not be found.`)
  assertUsable(caller, network)
  return { networkId: network.id, fixedIp: ask.fixedIp, tag: ask.tag }
}

export const assertFreePort = (port: PortInfo | undefined, id: string): PortInfo => {
  if (!port) throw badRequest(`Port id ${id} could not be found.`)
  if (port.deviceId) throw conflict(`Port ${id} is still in use.`, { usedBy: port.deviceId })
  if (!port.fixedIps.length) throw badRequest(`Port ${id} requires a FixedIP in order to be used.`)
  return port
}

const portPlan = async (neutron: Neutron, caller: RequestContext, ask: NetworkAsk): Promise<PortPlan> => {
  const port = assertFreePort(await neutron.portFetch(ask.portId!, viewerOf(caller)), ask.portId!)
  return { networkId: port.networkId, adoptedId: port.id, tag: ask.tag }
}

const assertDistinct = (asks: NetworkAsk[], count: number): void => {
  const ports = asks.flatMap((ask) => ask.portId ?? [])
  const twice = ports.find((port, index) => ports.indexOf(port) !== index)
  if (twice) throw badRequest(`Port ID '${twice}' was specified twice: you cannot attach a port multiple times.`)
  if (count === 1) return
  if (ports.length) throw badRequest(
    'Unable to launch multiple instances with a single configured port ID. '
    + 'Please launch your instance one by one with different ports.',
  )
  if (asks.some((ask) => ask.fixedIp)) throw badRequest(
    'Unable to launch multiple instances when a fixed IP address is specified.',
  )
}

const defaultPlan = async (neutron: Neutron, caller: RequestContext): Promise<PortPlan[]> => {
  const networks = await neutron.networksAvailable(caller.projectId)
  if (networks.length > 1) throw conflict('Multiple possible networks found, use a Network ID to be more specific.')
  for (const network of networks) assertUsable(caller, network)
  return networks.map((network) => ({ networkId: network.id }))
}

/** The ports that each of `count` servers gets, in attach order. */
export const planPorts = async (
  neutron: Neutron, caller: RequestContext, asked: NetworksAsk, count: number,
): Promise<PortPlan[]> => {
  if (asked === 'none') return []
  if (asked === 'auto') return [{ networkId: (await neutron.autoTopologyEnsure(caller.projectId)).id }]
  if (!asked?.length) return defaultPlan(neutron, caller)
  assertDistinct(asked, count)
  const plans: PortPlan[] = []
  for (const ask of asked) plans.push(await (ask.portId ? portPlan : networkPlan)(neutron, caller, ask))
  return plans
}

/** What `neutron.portEnsure` takes for one planned port of one server. */
export const portOf = (
  plan: PortPlan, server: { id: string; projectId: string; hostname: string; securityGroups: { id: string }[] },
) => ({
  id: plan.adoptedId ?? uuid(),
  networkId: plan.networkId,
  projectId: server.projectId,
  deviceId: server.id,
  deviceOwner: 'compute:nova',
  adopted: plan.adoptedId !== undefined,
  dnsName: server.hostname,
  ...(plan.adoptedId === undefined && { securityGroups: server.securityGroups.map((group) => group.id) }),
  ...(plan.fixedIp && { fixedIps: [{ ip: plan.fixedIp }] }),
  ...(plan.tag && { tag: plan.tag }),
})
