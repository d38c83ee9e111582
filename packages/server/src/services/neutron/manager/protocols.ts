/** IP protocols as security groups name them. */

const numbers: Record<string, number> = {
  ah: 51,
  dccp: 33,
  egp: 8,
  esp: 50,
  gre: 47,
  icmp: 1,
  icmpv6: 58,
  igmp: 2,
  ip: 0,
  ipip: 4,
  'ipv6-encap': 41,
  'ipv6-frag': 44,
  'ipv6-icmp': 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  'ipv6-route': 43,
  ospf: 89,
  pgm: 113,
  rsvp: 46,
  sctp: 132,
  tcp: 6,
  udp: 17,
  udplite: 136,
  vrrp: 112,
}
export const protocolNames = Object.keys(numbers)

/** A name or a number from 0 to 255, as text; undefined when it is neither. */
export const protocolOf = (value: string | number): string | undefined => {
  const text = String(value).toLowerCase()
  if (/^\d{1,3}$/.test(text)) return Number(text) <= 255 ? String(Number(text)) : undefined
  return text === 'any' || Object.hasOwn(numbers, text) ? text : undefined
}

export const protocolNumber = (protocol: string): number => numbers[protocol] ?? Number(protocol)

const portNumbers = new Set([6, 17, 33, 132, 136])
export const hasPorts = (protocol: string): boolean => portNumbers.has(protocolNumber(protocol))
export const isIcmp = (protocol: string): boolean => [1, 58].includes(protocolNumber(protocol))

const v6Only = new Set(['icmpv6', 'ipv6-icmp', 'ipv6-encap', 'ipv6-frag', 'ipv6-nonxt', 'ipv6-opts', 'ipv6-route'])
export const isForV6Only = (protocol: string): boolean => v6Only.has(protocol)
