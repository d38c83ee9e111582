/** IP protocols by the names that Neutron's security-group rules may use, as IANA numbers them. */

export const protocolNumbers: Readonly<Record<string, number>> = {
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

const withPorts = new Set([6, 17, 33, 132, 136])
/** TCP, DCCP, UDP, SCTP, UDP-Lite: the ports are in the first four bytes. */
export const carriesPorts = (number: number | undefined): boolean => number !== undefined && withPorts.has(number)
/** ICMP of either family. */
export const isIcmpNumber = (number: number | undefined): boolean => number === 1 || number === 58
