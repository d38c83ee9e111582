/** Reads `ip -j -d addr`: the devices of a namespace, in the form that the plans compare. Pure. */
import { canonicalAddress } from '#engines/cidr/address.ts'

export interface FoundLink {
  name: string
  alias: string
  master: string
  mac: string
  mtu: number
  up: boolean
  /** `10.0.0.2/24`, without the link-local ones that the kernel makes. */
  addresses: string[]
}

export type FoundLinks = ReadonlyMap<string, FoundLink>

interface RawLink {
  ifname?: string
  ifalias?: string
  master?: string
  address?: string
  mtu?: number
  flags?: string[]
  addr_info?: { local?: string; prefixlen?: number; scope?: string; protocol?: string }[]
}

export function foundLinks(listing: unknown): Map<string, FoundLink> {
  // iproute2 leaves empty objects where a device vanished while it listed.
  const raw = (listing as RawLink[]).filter((link) => link.ifname !== undefined)
  return new Map(raw.map((link) => [link.ifname ?? '', readLink(link)]))
}

function readLink(link: RawLink): FoundLink {
  return {
    name: link.ifname ?? '',
    alias: link.ifalias ?? '',
    master: link.master ?? '',
    mac: link.address ?? '',
    mtu: link.mtu ?? 0,
    up: link.flags?.includes('UP') ?? false,
    addresses: (link.addr_info ?? [])
      .filter((address) => !address.local?.startsWith('fe80:'))
      .map((address) => `${canonicalAddress(address.local ?? '') ?? address.local}/${address.prefixlen}`),
  }
}
