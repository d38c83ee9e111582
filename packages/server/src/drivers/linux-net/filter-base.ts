/** The part of a network's filter that does not depend on its ports: the way of a frame through our hooks. */
/*
 * A frame meets it in this order. Bridge prerouting: anti-spoofing by device, and a mark that says which list of
 * security groups the port has. Inet prerouting (br_netfilter hands the frame over, after connection tracking):
 * the egress rules of that list. Bridge forward: the mark of the port where the frame leaves. Inet forward: the
 * ingress rules of that list. Marks do not survive the way into another namespace, so nobody sees ours.
 */
import { bridgeDevice, legDevice } from './names.ts'
import { addChain, addSet, emptyFilter, type Filter } from './filter-model.ts'

/** Marks of frames: a port that nobody declared, a port without port security, a frame for the namespace itself. */
export const markOfUnknown = '0xffffffff'
export const markOfUnfiltered = '0x00000000'
export const markOfLocal = '0xfffffffe'

/** The address from which the host itself speaks into a network; each leg has it, no container ever sees it. */
export const hostLegAddress = '169.254.255.254'
/** The far end of every leg: the host's next hop into a network. */
export const networkLegAddress = '169.254.255.253'

export const sets = {
  marks: 'bridge/marks',
  macs: 'bridge/macs',
  pairs4: 'bridge/pairs4',
  pairs6: 'bridge/pairs6',
  ranges4: 'bridge/ranges4',
  ranges6: 'bridge/ranges6',
  targets6: 'bridge/targets6',
  egress: 'inet/egress',
  ingress: 'inet/ingress',
  local4: 'inet/local4',
  local6: 'inet/local6',
} as const

export function baseFilter(): Filter {
  const filter = emptyFilter()
  declareSets(filter)
  for (const [name, hook, rules] of bridgeChains) addChain(filter, { family: 'bridge', name, hook, rules })
  for (const [name, hook, rules] of inetChains) addChain(filter, { family: 'inet', name, hook, rules })
  return filter
}

function declareSets(filter: Filter): void {
  const specs: [string, 'set' | 'map', string][] = [
    [sets.marks, 'map', 'type ifname : mark'],
    [sets.macs, 'set', 'type ifname . ether_addr'],
    [sets.pairs4, 'set', 'type ifname . ether_addr . ipv4_addr'],
    [sets.pairs6, 'set', 'type ifname . ether_addr . ipv6_addr'],
    [sets.ranges4, 'set', 'type ifname . ether_addr . ipv4_addr; flags interval'],
    [sets.ranges6, 'set', 'type ifname . ether_addr . ipv6_addr; flags interval'],
    [sets.targets6, 'set', 'typeof iifname . @th,64,128'],
    [sets.egress, 'map', 'type mark : verdict'],
    [sets.ingress, 'map', 'type mark : verdict'],
    [sets.local4, 'set', 'type ipv4_addr'],
    [sets.local6, 'set', 'type ipv6_addr'],
  ]
  for (const [key, kind, spec] of specs) {
    const [family, name] = key.split('/') as ['bridge' | 'inet', string]
    addSet(filter, { family, kind, name, spec })
  }
}

/**
 * Who listens to which link-local group is of use to a bridge that snoops, and ours does not: it would carry each
 * report to every port of the network. Reports about wider groups pass: a container may route them.
 */
const idleReports = [
  'ether type ip6 icmpv6 type mld2-listener-report @th,96,16 0xff02 drop',
  'ether type ip6 icmpv6 type { mld-listener-report, mld-listener-done } @th,64,16 0xff02 drop',
]

/** What a host may ask before it has an address. */
const withoutSource = 'nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report'

type BaseChain = [name: string, hook: string, rules: string[]]

const markFrom = (direction: 'iifname' | 'oifname'): string[] => [
  `${direction} != "qtp*" meta mark set ${markOfUnfiltered} accept`,
  `meta mark set ${markOfUnknown}`,
  `meta mark set ${direction} map @marks`,
  `meta mark ${markOfUnknown} drop`,
]

const bridgeChains: BaseChain[] = [
  [
    'prerouting',
    'type filter hook prerouting priority -300; policy accept;',
    [
      ...idleReports,
      ...markFrom('iifname'),
      `meta mark ${markOfUnfiltered} accept`,
      'iifname . ether saddr != @macs drop',
      'ether type arp arp operation { request, reply } arp saddr ip 0.0.0.0 accept',
      'ether type arp iifname . arp saddr ether . arp saddr ip @pairs4 accept',
      'ether type arp iifname . arp saddr ether . arp saddr ip @ranges4 accept',
      'ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept',
      'ether type ip iifname . ether saddr . ip saddr @pairs4 accept',
      'ether type ip iifname . ether saddr . ip saddr @ranges4 accept',
      // A container is no router for its neighbours, and answers for no address but its own.
      'ether type ip6 icmpv6 type { nd-router-advert, nd-redirect } drop',
      'ether type ip6 icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 drop',
      `ether type ip6 ip6 saddr :: icmpv6 type { ${withoutSource} } accept`,
      'ether type ip6 iifname . ether saddr . ip6 saddr @pairs6 accept',
      'ether type ip6 iifname . ether saddr . ip6 saddr @ranges6 accept',
      'drop',
    ],
  ],
  ['forward', 'type filter hook forward priority -100; policy accept;', markFrom('oifname')],
  ['input', 'type filter hook input priority -100; policy accept;', [`meta mark set ${markOfLocal}`]],
  ['output', 'type filter hook output priority -100; policy accept;', idleReports],
]

const inetChains: BaseChain[] = [
  [
    'prerouting',
    'type filter hook prerouting priority -150; policy accept;',
    [
      // Resolver and metadata of the network are in reach whatever the groups say; chain input has the last word.
      'ip daddr @local4 accept',
      'ip6 daddr @local6 accept',
      'meta mark vmap @egress',
    ],
  ],
  [
    'forward',
    'type filter hook forward priority 0; policy drop;',
    [
      `meta mark ${markOfLocal} oifname "${legDevice}" ct direction reply ct state established,related accept`,
      `meta mark ${markOfLocal} drop`,
      `iifname "${legDevice}" ip saddr ${hostLegAddress} oifname "${bridgeDevice}" accept`,
      `iifname "${legDevice}" drop`,
      'meta mark vmap @ingress',
      `iifname "${bridgeDevice}" oifname "${bridgeDevice}" accept`,
    ],
  ],
  [
    'input',
    'type filter hook input priority 0; policy drop;',
    [
      `iifname { "lo", "${legDevice}" } accept`,
      'ct state established,related accept',
      'meta l4proto icmp icmp type { echo-request, destination-unreachable } accept',
      'meta l4proto ipv6-icmp accept',
      'udp dport { 53, 67, 547 } accept',
      'tcp dport { 53, 80 } accept',
    ],
  ],
  [
    'postrouting',
    'type nat hook postrouting priority 100; policy accept;',
    [`ip saddr ${hostLegAddress} oifname "${bridgeDevice}" masquerade`],
  ],
]
