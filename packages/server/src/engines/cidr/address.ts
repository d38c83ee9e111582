/** IPv4 and IPv6 addresses as numbers: strict parsing, and the one canonical text of each (RFC 5952). */

export type IpVersion = 4 | 6

/** A parsed address. `value` is the address as an unsigned integer of 32 or 128 bits. */
export interface Address {
  version: IpVersion
  value: bigint
}

export const bitsOf = (version: IpVersion): 32 | 128 => (version === 4 ? 32 : 128)

/** Reads `192.0.2.1` or `2001:db8::1`; undefined when the text is not an address. Zone ids are refused. */
export function parseAddress(text: string): Address | undefined {
  const value = text.includes(':') ? parseV6(text) : parseV4(text)
  return value === undefined ? undefined : { version: text.includes(':') ? 6 : 4, value }
}

export const isAddress = (text: string): boolean => parseAddress(text) !== undefined

/** The canonical text: dotted quad, or lower-case IPv6 with the longest run of zeros shortened. */
export const formatAddress = (address: Address): string =>
  address.version === 4 ? formatV4(address.value) : formatV6(address.value)

/** `2001:DB8:0::1` → `2001:db8::1`; undefined when the text is not an address. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text)
  return address && formatAddress(address)
}

/** Orders by version, then by number: the order of Neutron's lists and of our sorted pools. */
export function compareAddresses(a: Address, b: Address): number {
  if (a.version !== b.version) return a.version - b.version
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0
}

// A leading zero is refused: half the world reads 010 as octal, and an address must not depend on the reader.
const octetPattern = /^(0|[1-9]\d{0,2})$/

function parseV4(text: string): bigint | undefined {
  const octets = text.split('.')
  if (octets.length !== 4 || !octets.every((octet) => octetPattern.test(octet) && Number(octet) <= 255))
    return undefined
  return octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '', true) : []
  if (!head || !tail) return undefined
  const missing = 8 - head.length - tail.length
  // `::` stands for at least one group; without it all eight must be there.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail]
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

/** The 16-bit groups of one side of `::`. A dotted quad may only be the last group of the whole address. */
function groupsOf(text: string, mayEndInV4: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const quad = mayEndInV4 && index === parts.length - 1 ? parseV4(part) : undefined
    if (quad === undefined) return undefined
    groups.push(Number(quad >> 16n), Number(quad & 0xffffn))
  }
  return groups
}

const formatV4 = (value: bigint): string => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.')

function formatV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - index * 16)) & 0xffffn))
  if (value >> 32n === 0xffffn) return `::ffff:${formatV4(value & 0xffffffffn)}`
  const { start, length } = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) continue
    if (index - start > best.length) best = { start, length: index - start }
    start = index + 1
  }
  return best
}
