/** IP protocols as security groups name them. */
import { carriesPorts, isIcmpNumber, protocolNumbers } from '#engines/protocols/ip-protocols.ts'

export const protocolNames = Object.keys(protocolNumbers)

/** A name or a number from 0 to 255, as text; undefined when it is neither. */
export const protocolOf = (value: string | number): string | undefined => {
  const text = String(value).toLowerCase()
  if (/^\d{1,3}$/.test(text)) return Number(text) <= 255 ? String(Number(text)) : undefined
  return text === 'any' || Object.hasOwn(protocolNumbers, text) ? text : undefined
}

const protocolNumber = (protocol: string): number => protocolNumbers[protocol] ?? Number(protocol)

export const hasPorts = (protocol: string): boolean => carriesPorts(protocolNumber(protocol))
export const isIcmp = (protocol: string): boolean => isIcmpNumber(protocolNumber(protocol))

const v6Only = new Set(['icmpv6', 'ipv6-icmp', 'ipv6-encap', 'ipv6-frag', 'ipv6-nonxt', 'ipv6-opts', 'ipv6-route'])
export const isForV6Only = (protocol: string): boolean => v6Only.has(protocol)
