/** The filter that a network should have on this host, from its ports and their security groups. Pure. */
import { canonicalAddress, formatAddress, parseAddress } from '#engines/cidr/address.ts'
import { canonicalMac, linkLocalAddress } from '#engines/cidr/mac.ts'
import { formatPrefix } from '#engines/cidr/prefix.ts'
import type { WantedNetwork, WantedPort, WantedSecurityGroup } from '#services/neutron/ports.ts'
import { baseFilter, hostLegAddress, markOfUnfiltered, sets } from './filter-base.ts'
import { addChain, addElement, addSet, emptyFilter, type Filter } from './filter-model.ts'
import {
  answerChain,
  answerRules,
  asPrefix,
  groupChain,
  groupRules,
  memberElements,
  memberSet,
  outermost,
  remoteGroupIds,
  type Direction,
} from './group-rules.ts'
import { digest, portDevice } from './names.ts'

export type Groups = ReadonlyMap<string, WantedSecurityGroup>

/** Base, ports and groups together. Ports without a sandbox have no device, so no rules either. */
export function wantedFilter(network: WantedNetwork, ports: WantedPort[], groups: Groups): Filter {
  const filter = baseFilter()
  addLocalAddresses(filter, network)
  for (const port of ports) addPort(filter, port, groups)
  return filter
}

/** Only what one port needs of its network's filter; the sets it shares are named, not filled by others. */
export function portFilter(port: WantedPort, groups: Groups): Filter {
  const filter = emptyFilter()
  for (const [key, set] of baseFilter().sets) filter.sets.set(key, set)
  addPort(filter, port, groups)
  return filter
}

function addLocalAddresses(filter: Filter, network: WantedNetwork): void {
  for (const { cidr } of network.external ? [] : network.hostAddresses) {
    const address = parseAddress(cidr.split('/')[0] ?? '')
    if (address) addElement(filter, address.version === 4 ? sets.local4 : sets.local6, formatAddress(address))
  }
}

function addPort(filter: Filter, port: WantedPort, groups: Groups): void {
  const device = `"${portDevice(port.id)}"`
  const mark = port.portSecurity ? groupListMark(port) : markOfUnfiltered
  addElement(filter, sets.marks, `${device} : ${mark}`)
  if (!port.portSecurity) return
  addAllowedPairs(filter, device, port)
  addGroupList(filter, port, groups)
}

/** The port's own addresses and its allowed address pairs: everything that may be a source on its device. */
function addAllowedPairs(filter: Filter, device: string, port: WantedPort): void {
  const own = canonicalMac(port.mac)
  const pairs = [
    ...port.addresses.map((address) => ({ ip: address.ip, mac: own })),
    { ip: linkLocalAddress(own), mac: own },
    ...port.allowedAddressPairs.map((pair) => ({ ip: pair.ip, mac: canonicalMac(pair.mac || own) })),
  ]
  const byMac = Map.groupBy(pairs, (pair) => pair.mac)
  for (const [mac, listed] of byMac) {
    addElement(filter, sets.macs, `${device} . ${mac}`)
    addSources(filter, `${device} . ${mac}`, [...listed.map((pair) => pair.ip), linkLocalAddress(mac)])
  }
  for (const pair of pairs) addTarget(filter, device, pair.ip)
}

function addSources(filter: Filter, prefix: string, ips: string[]): void {
  const blocks = ips.map(asPrefix).filter((block) => block !== undefined)
  const whole = (block: { version: 4 | 6; length: number }): boolean =>
    block.length === (block.version === 4 ? 32 : 128)
  for (const block of blocks.filter(whole)) {
    const text = formatAddress({ version: block.version, value: block.first })
    addElement(filter, block.version === 4 ? sets.pairs4 : sets.pairs6, `${prefix} . ${text}`)
  }
  for (const block of outermost(blocks.filter((each) => !whole(each)))) {
    addElement(filter, block.version === 4 ? sets.ranges4 : sets.ranges6, `${prefix} . ${formatPrefix(block)}`)
  }
}

/** Neighbour advertisements name single addresses; a prefix pair may advertise none of its own. */
function addTarget(filter: Filter, device: string, ip: string): void {
  const address = parseAddress(ip)
  if (address?.version !== 6) return
  addElement(filter, sets.targets6, `${device} . 0x${address.value.toString(16).padStart(32, '0')}`)
}

/** Ports with the same groups share one mark and two chains, so that one more port is a few set elements. */
function groupListMark(port: WantedPort): string {
  const print = Number.parseInt(digest(groupList(port).join(','), 8), 16)
  // The lowest and the highest marks are taken.
  return `0x${Math.min(Math.max(print, 1), 0xfffffff0).toString(16).padStart(8, '0')}`
}

const groupList = (port: WantedPort): string[] => [...new Set(port.securityGroupIds)].sort()

function addGroupList(filter: Filter, port: WantedPort, groups: Groups): void {
  const mark = groupListMark(port)
  const listed = groupList(port)
    .map((id) => groups.get(id))
    .filter((group) => group !== undefined)
  for (const group of listed) addGroup(filter, group, groups)
  const stateful = listed.length === 0 || listed.some((group) => group.stateful)
  const list = digest(groupList(port).join(','), 16)
  for (const direction of ['egress', 'ingress'] as const) {
    const jumps = listed.map((group) => `jump ${groupChain(group.id, direction)}`)
    const replies = stateful ? repliesBy(`answers_${opposite[direction]}_${list}`) : []
    const rules = [...always[direction], ...replies, ...jumps, 'drop']
    addChain(filter, { family: 'inet', name: `${direction}_${list}`, rules })
    const answers = listed.map((group) => `jump ${answerChain(group.id, direction)}`)
    addChain(filter, {
      family: 'inet',
      name: `answers_${direction}_${list}`,
      rules: [...answeredAlways[direction], ...answers, 'drop'],
    })
    addElement(filter, sets[direction], `${mark} : jump ${direction}_${list}`)
  }
}

function addGroup(filter: Filter, group: WantedSecurityGroup, groups: Groups): void {
  // A thousand ports name the same few groups, and a group may have thousands of members.
  if (filter.chains.has(`inet/${groupChain(group.id, 'egress')}`)) return
  for (const direction of ['egress', 'ingress'] as const) {
    addChain(filter, { family: 'inet', name: groupChain(group.id, direction), rules: groupRules(group, direction) })
    addChain(filter, { family: 'inet', name: answerChain(group.id, direction), rules: answerRules(group, direction) })
  }
  for (const id of remoteGroupIds(group)) addMembers(filter, id, groups.get(id))
}

function addMembers(filter: Filter, id: string, group: WantedSecurityGroup | undefined): void {
  if (filter.sets.has(`inet/${memberSet(id, 4, 'address')}`)) return
  for (const version of [4, 6] as const) {
    const type = `type ipv${version}_addr`
    const address = { family: 'inet', kind: 'set', name: memberSet(id, version, 'address'), spec: type } as const
    const prefix = {
      family: 'inet',
      kind: 'set',
      name: memberSet(id, version, 'prefix'),
      spec: `${type}; flags interval`,
    } as const
    addSet(filter, { ...address, unknown: group === undefined })
    addSet(filter, { ...prefix, unknown: group === undefined })
    const members = group ? memberElements(group, version) : { addresses: [], prefixes: [] }
    for (const text of members.addresses) addElement(filter, `inet/${address.name}`, canonicalAddress(text) ?? text)
    for (const text of members.prefixes) addElement(filter, `inet/${prefix.name}`, text)
  }
}

/**
 * A connection is not let pass because it is established: each packet of its first direction passes the rules, and
 * each reply passes those of the other direction, asked about the request. What a rule had allowed ends with it.
 */
const repliesBy = (answers: string): string[] => [
  'ct state invalid drop',
  'ct state related accept',
  `ct direction reply ct state established goto ${answers}`,
]

const opposite: Record<Direction, Direction> = { egress: 'ingress', ingress: 'egress' }

/** The host calls without asking the groups. */
const answeredAlways: Record<Direction, string[]> = {
  ingress: [`ct original ip saddr ${hostLegAddress} accept`],
  egress: [],
}

const neighbours = 'nd-neighbor-solicit, nd-neighbor-advert'
const listeners = 'mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report'

/** What a container needs to be on a network at all, and what it may never offer to its neighbours. */
const always: Record<Direction, string[]> = {
  egress: [
    'udp sport 68 udp dport 67 accept',
    'udp sport 546 udp dport 547 accept',
    'udp sport 67 udp dport 68 drop',
    'udp sport 547 udp dport 546 drop',
    `icmpv6 type { nd-router-solicit, ${neighbours}, ${listeners} } accept`,
  ],
  ingress: [
    'udp sport 67 udp dport 68 accept',
    'udp sport 547 udp dport 546 accept',
    `icmpv6 type { nd-router-advert, ${neighbours}, ${listeners} } accept`,
  ],
}
