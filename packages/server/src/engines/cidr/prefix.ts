/** Prefixes (`10.0.0.0/24`): parsing, bounds, containment, overlap, host bits, netmask. */
import { bitsOf, formatAddress, parseAddress, type Address, type IpVersion } from './address.ts'

/** `address` keeps the host bits that were written; `first` and `last` bound the block. */
export interface Prefix {
  version: IpVersion
  length: number
  address: bigint
  first: bigint
  last: bigint
}

/** Reads `10.0.0.5/24` or `2001:db8::/64`; undefined when it is not a prefix. A bare address is not a prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const [addressText, lengthText, ...rest] = text.split('/')
  const address = parseAddress(addressText ?? '')
  if (!address || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(lengthText ?? '')) return undefined
  const length = Number(lengthText)
  return length > bitsOf(address.version) ? undefined : prefixOf(address, length)
}

/** The block of `length` bits that holds `address`. */
export function prefixOf(address: Address, length: number): Prefix {
  const span = (1n << BigInt(bitsOf(address.version) - length)) - 1n
  const first = address.value & ~span
  return { version: address.version, length, address: address.value, first, last: first | span }
}

/** `10.0.0.0/24`: the block, without host bits. */
export const formatPrefix = (prefix: Prefix): string => `${networkAddress(prefix)}/${prefix.length}`

export const networkAddress = (prefix: Prefix): string =>
  formatAddress({ version: prefix.version, value: prefix.first })

/** True for `10.0.0.5/24`, false for `10.0.0.0/24`. */
export const hasHostBits = (prefix: Prefix): boolean => prefix.address !== prefix.first

export const sizeOf = (prefix: Prefix): bigint => prefix.last - prefix.first + 1n

export const containsAddress = (prefix: Prefix, address: Address): boolean =>
  prefix.version === address.version && prefix.first <= address.value && address.value <= prefix.last

export const containsPrefix = (outer: Prefix, inner: Prefix): boolean =>
  outer.version === inner.version && outer.first <= inner.first && inner.last <= outer.last

export const overlaps = (a: Prefix, b: Prefix): boolean =>
  a.version === b.version && a.first <= b.last && b.first <= a.last

/** `255.255.255.0` for a /24; the IPv6 form for IPv6. */
export function netmask(prefix: Prefix): string {
  const all = (1n << BigInt(bitsOf(prefix.version))) - 1n
  return formatAddress({ version: prefix.version, value: all ^ (prefix.last - prefix.first) })
}

/** Text in, answer out, for callers that hold strings. False when either text is malformed. */
export function cidrContains(cidr: string, address: string): boolean {
  const prefix = parsePrefix(cidr)
  const parsed = parseAddress(address)
  return prefix !== undefined && parsed !== undefined && containsAddress(prefix, parsed)
}

/** Text in, answer out. False when either text is malformed. */
export function cidrsOverlap(a: string, b: string): boolean {
  const [left, right] = [parsePrefix(a), parsePrefix(b)]
  return left !== undefined && right !== undefined && overlaps(left, right)
}

/** `10.0.0.5/24` → `10.0.0.0/24`; undefined when malformed. */
export function canonicalCidr(cidr: string): string | undefined {
  const prefix = parsePrefix(cidr)
  return prefix && formatPrefix(prefix)
}
