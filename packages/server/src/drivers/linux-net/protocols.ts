/** The protocol of a security-group rule as a number, for nft. */
import { protocolNumbers } from '#engines/protocols/ip-protocols.ts'

const numbers: Readonly<Record<string, number>> = { ...protocolNumbers, hopopt: 0 }

/** The protocol number of a rule, or undefined for "any". `icmp` means ICMPv6 in an IPv6 rule, as in Neutron. */
export function protocolNumber(protocol: string | undefined, etherType: 'IPv4' | 'IPv6'): number | undefined {
  if (protocol === undefined || protocol === 'any') return undefined
  const number = /^\d{1,3}$/.test(protocol) ? Number(protocol) : numbers[protocol.toLowerCase()]
  if (number === undefined || number > 255)
    throw new RangeError(`protocol ${protocol} is neither a known name nor 0 to 255`)
  return etherType === 'IPv6' && number === 1 ? 58 : number
}
