/** MAC addresses: checks, Neutron's generated form, and the IPv6 addresses that derive from them (EUI-64). */
import { formatAddress, type Address } from './address.ts'
import { type Prefix } from './prefix.ts'

const macPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i

/** Six pairs of hexadecimal digits with colons. Multicast and all-zero addresses name no station. */
export const isMac = (text: string): boolean =>
  macPattern.test(text) && (Number.parseInt(text.slice(0, 2), 16) & 1) === 0 && text !== '00:00:00:00:00:00'

export const canonicalMac = (text: string): string => text.toLowerCase()

/** `fa:16:3e:xx:xx:xx` from at least three given random bytes: Neutron's default base address. */
export function macFromBytes(random: Uint8Array): string {
  const tail = [...random.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0'))
  if (tail.length < 3) throw new RangeError(`a MAC address needs 3 random bytes, ${tail.length} given`)
  return `fa:16:3e:${tail.join(':')}`
}

/** The 64-bit interface identifier of a MAC address (RFC 4291, appendix A). */
export function interfaceIdentifier(mac: string): bigint {
  const bytes = mac.split(':').map((pair) => BigInt(`0x${pair}`))
  const [first = 0n, ...others] = bytes
  const eui = [first ^ 2n, ...others.slice(0, 2), 0xffn, 0xfen, ...others.slice(2)]
  return eui.reduce((value, byte) => (value << 8n) | byte, 0n)
}

/** The address that a host takes by SLAAC in an IPv6 prefix of at most 64 bits. */
export const slaacAddress = (prefix: Prefix, mac: string): Address => ({
  version: 6,
  value: prefix.first | interfaceIdentifier(mac),
})

/** `fe80::…`: the link-local address of a MAC address. */
export const linkLocalAddress = (mac: string): string =>
  formatAddress({ version: 6, value: (0xfe80n << 112n) | interfaceIdentifier(mac) })
