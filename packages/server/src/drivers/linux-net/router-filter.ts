/** A router's address translation as data: floating IPs are map elements, port forwardings the rules of one chain. */
import { parseAddress } from '#engines/cidr/address.ts'
import { formatPrefix, parsePrefix } from '#engines/cidr/prefix.ts'
import type { WantedRouter } from '#services/neutron/ports.ts'
import { addChain, addElement, addSet, emptyFilter, type Filter } from './filter-model.ts'

/** Marks the first packet of a connection that came from inside. */
const fromInside = '0x00000001'

export function routerFilter(router: WantedRouter): Filter {
  const filter = emptyFilter()
  addSet(filter, { family: 'inet', kind: 'map', name: 'floating', spec: 'type ipv4_addr : ipv4_addr' })
  addSet(filter, { family: 'inet', kind: 'map', name: 'fixed', spec: 'type ipv4_addr : ipv4_addr' })
  addSet(filter, { family: 'inet', kind: 'set', name: 'published', spec: 'type ipv4_addr . ipv4_addr' })
  addSet(filter, { family: 'inet', kind: 'set', name: 'sources', spec: 'type ipv4_addr' })
  for (const { address, fixedIp } of router.floatingIps) {
    addElement(filter, 'inet/floating', `${address} : ${fixedIp}`)
    addElement(filter, 'inet/fixed', `${fixedIp} : ${address}`)
    addElement(filter, 'inet/published', `${address} . ${fixedIp}`)
    addElement(filter, 'inet/sources', address)
  }
  for (const { address, internalIp } of router.portForwardings)
    addElement(filter, 'inet/published', `${address} . ${internalIp}`)
  if (outsideAddress(router)) addElement(filter, 'inet/sources', outsideAddress(router) ?? '')
  addChain(filter, { family: 'inet', name: 'forwardings', rules: router.portForwardings.map(forwardingRule) })
  addChain(filter, {
    family: 'inet',
    name: 'prerouting',
    hook: 'type nat hook prerouting priority -100; policy accept;',
    rules: [`iifname != "qg-*" meta mark set ${fromInside}`, 'jump forwardings', 'dnat ip to ip daddr map @floating'],
  })
  addChain(filter, {
    family: 'inet',
    name: 'postrouting',
    hook: 'type nat hook postrouting priority 100; policy accept;',
    rules: sourceRules(router),
  })
  addChain(filter, {
    family: 'inet',
    name: 'forward',
    hook: 'type filter hook forward priority 0; policy accept;',
    rules: stillPublished,
  })
  return filter
}

/** A connection keeps its translation for life; when the address is taken away, the connection has to end. */
const stillPublished = [
  'meta nfproto ipv4 ct status dnat ct original ip daddr . ct reply ip saddr != @published drop',
  'meta nfproto ipv4 ct status snat ct reply ip daddr != @sources drop',
]

/** The router's own IPv4 address on the external network. */
const outsideAddress = (router: WantedRouter): string | undefined =>
  router.gateway?.addresses.map((cidr) => cidr.split('/')[0] ?? '').find((ip) => parseAddress(ip)?.version === 4)

const forwardingRule = (forwarding: WantedRouter['portForwardings'][number]): string => {
  const { address, protocol, externalPort, internalIp, internalPort } = forwarding
  return `ip daddr ${address} ${protocol} dport ${externalPort} dnat ip to ${internalIp}:${internalPort}`
}

/** A container with a floating IP speaks with it, also to its neighbour's floating IP; the rest with the router's. */
function sourceRules(router: WantedRouter): string[] {
  const outside = outsideAddress(router)
  const inside = router.interfaces
    .flatMap((leg) => leg.addresses)
    .map(parsePrefix)
    .filter((block) => block?.version === 4)
  const blocks = [...new Set(inside.map((block) => (block ? formatPrefix(block) : '')))]
  return [
    'oifname "qg-*" snat ip to ip saddr map @fixed',
    `meta mark ${fromInside} ct status dnat snat ip to ip saddr map @fixed`,
    ...(outside ? [`meta nfproto ipv4 meta mark ${fromInside} ct status dnat snat ip to ${outside}`] : []),
    ...(outside && router.gateway?.snat && blocks.length > 0
      ? [`oifname "qg-*" ip saddr { ${blocks.join(', ')} } snat ip to ${outside}`]
      : []),
  ]
}
