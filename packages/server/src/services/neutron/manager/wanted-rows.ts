/** Reads the rows that the wanted state of some ports or of a whole host is made of. */
import type { Executor } from '#platform/db/database.ts'
import {
  addressGroupKind,
  floatingIpKind,
  networkKind,
  portForwardingKind,
  portKind,
  routerKind,
  securityGroupKind,
  securityGroupRuleKind,
  subnetKind,
} from '../store/kinds.ts'
import { namesOfDevices, namesOnNetworks } from '../store/device-names.ts'
import { memberPorts, membersOf, type Member } from '../store/memberships.ts'
import { equals, fetchMany, isIn, list, type Condition } from '../store/records.ts'
import type {
  AddressGroup,
  FloatingIp,
  Network,
  Port,
  PortForwarding,
  Router,
  SecurityGroup,
  SecurityGroupRule,
  Subnet,
} from '../store/tables.ts'
import { linkTargets, type NameRows } from './names.ts'

/** Who owns the ports of routers. */
export const routerOwners = ['network:router_interface', 'network:router_gateway']

export interface GroupRows {
  groups: SecurityGroup[]
  rules: SecurityGroupRule[]
  addressGroups: AddressGroup[]
  memberships: { port_id: string; security_group_id: string }[]
  members: Member[]
}

export interface WantedRows extends GroupRows, NameRows {
  networks: Network[]
  subnets: Subnet[]
  /** All ports of the networks, on every host: names, resolvers' addresses and VXLAN neighbours come of them. */
  neighbours: Port[]
}

export interface RouterRows {
  routers: Router[]
  routerPorts: Port[]
  floatingIps: FloatingIp[]
  forwardings: PortForwarding[]
}

/** The groups of the ports, those their rules name, and everybody in them. */
const groupRows = async (executor: Executor, ports: Port[]): Promise<GroupRows> => {
  const own = [...new Set(ports.flatMap(({ security_groups }) => security_groups))]
  const ownRules = await rulesOf(executor, own)
  const remote = ownRules.flatMap(({ remote_group_id }) => remote_group_id ?? []).filter((id) => !own.includes(id))
  const ids = [...new Set([...own, ...remote])]
  const [groups, remoteRules, memberships, members, addressGroups] = await Promise.all([
    fetchMany(executor, securityGroupKind, ids),
    rulesOf(executor, [...new Set(remote)]),
    membersOf(executor, ids),
    memberPorts(executor, ids),
    fetchMany(
      executor,
      addressGroupKind,
      ownRules.flatMap(({ remote_address_group_id }) => remote_address_group_id ?? []),
    ),
  ])
  return { groups, rules: [...ownRules, ...remoteRules], addressGroups, memberships, members }
}

const rulesOf = async (executor: Executor, groupIds: string[]): Promise<SecurityGroupRule[]> =>
  groupIds.length === 0
    ? []
    : list(executor, securityGroupRuleKind, { conditions: [isIn('security_group_id', groupIds)] })

export const wantedRows = async (executor: Executor, ports: Port[], networkIds: string[]): Promise<WantedRows> => {
  const ids = [...new Set([...networkIds, ...ports.map(({ network_id }) => network_id)])]
  const ofNetworks = ids.length ? [isIn('network_id', ids)] : [isIn('id', [])]
  const [networks, subnets, neighbours, groups, deviceNames] = await Promise.all([
    fetchMany(executor, networkKind, ids),
    list(executor, subnetKind, { conditions: ofNetworks }),
    list(executor, portKind, { conditions: ofNetworks }),
    groupRows(executor, ports),
    namesOnNetworks(executor, ids),
  ])
  return { networks, subnets, neighbours, deviceNames, targets: await linkTargets(executor, deviceNames), ...groups }
}

/** The ports themselves, and those that change how they are plugged: the network's own, and those on other hosts. */
const isSeenByPlugs =
  (ports: Port[]): Condition =>
  (where) =>
    where.or([
      where(
        'id',
        'in',
        ports.map(({ id }) => id),
      ),
      where('device_owner', 'in', ['network:dhcp', ...routerOwners]),
      where.and([where('host', '<>', ''), where('host', 'not in', [...new Set(ports.map(({ host }) => host))])]),
    ])

/** What one plug needs. Of the neighbours only the network's own ports: their names and tunnels come with the sync. */
export const plugRows = async (executor: Executor, ports: Port[]): Promise<WantedRows> => {
  const ids = [...new Set(ports.map(({ network_id }) => network_id))]
  const [networks, subnets, neighbours, groups, deviceNames] = await Promise.all([
    fetchMany(executor, networkKind, ids),
    list(executor, subnetKind, { conditions: [isIn('network_id', ids)] }),
    list(executor, portKind, { conditions: [isIn('network_id', ids), isSeenByPlugs(ports)] }),
    groupRows(executor, ports),
    namesOfDevices(executor, [...new Set(ports.map(({ device_id }) => device_id))]),
  ])
  return { networks, subnets, neighbours, deviceNames, targets: await linkTargets(executor, deviceNames), ...groups }
}

export const routerRows = async (executor: Executor): Promise<RouterRows> => {
  const routers = await list(executor, routerKind, { conditions: [equals('admin_state_up', 1)] })
  const [routerPorts, floatingIps, forwardings] = await Promise.all([
    list(executor, portKind, {
      conditions: [isIn('device_owner', routerOwners)],
    }),
    list(executor, floatingIpKind),
    list(executor, portForwardingKind),
  ])
  return { routers, routerPorts, floatingIps, forwardings }
}

export const portsOfHost = (executor: Executor, host: string): Promise<Port[]> =>
  list(executor, portKind, { conditions: [equals('host', host), (where) => where('device_id', '<>', '')] })
