/** Protocol names that Neutron's security-group rules may use, as IANA numbers. */

const numbers: Record<string, number> = {
  ah: 51,
  dccp: 33,
  egp: 8,
  esp: 50,
  gre: 47,
  hopopt: 0,
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

/** The protocol number of a rule, or undefined for "any". `icmp` means ICMPv6 in an IPv6 rule, as in Neutron. */
export function protocolNumber(protocol: string | undefined, etherType: 'IPv4' | 'IPv6'): number | undefined {
  if (protocol === undefined || protocol === 'any') return undefined
  const number = /^\d{1,3}$/.test(protocol) ? Number(protocol) : numbers[protocol.toLowerCase()]
  if (number === undefined || number > 255)
    throw new RangeError(`protocol ${protocol} is neither a known name nor 0 to 255`)
  return etherType === 'IPv6' && number === 1 ? 58 : number
}

export const isIcmp = (number: number | undefined): boolean => number === 1 || number === 58
/** TCP, DCCP, UDP, SCTP, UDP-Lite: the ports are in the first four bytes. */
export const hasPorts = (number: number | undefined): boolean => [6, 17, 33, 132, 136].includes(number ?? -1)
