/** Names and marks of everything this driver makes: short, deterministic, and enough to find it again. */
import { createHash } from 'node:crypto'

/** Who owns a thing on this machine: the cloud, and the host when several pretend to share one machine. */
export interface Owner {
  cloud: string
  host?: string
}

/** The names of one owner. Device names hold 15 characters at most; namespaces and tables may be longer. */
export interface Names {
  /** Eight hexadecimal digits of the owner; part of every name that is visible outside our namespaces. */
  tag: string
  /** nft tables, in our namespaces and in the host's. */
  table: string
  /** `ip link … alias`: the mark of every device. */
  alias(kind: string, id: string, hash: string): string
  aliasPrefix: string
  networkNamespace(networkId: string): string
  routerNamespace(routerId: string): string
  networkNamespacePrefix: string
  routerNamespacePrefix: string
  /** The host's end of its leg into a network. */
  hostLeg(networkId: string): string
  /** Comment of the host's own filter rules. */
  comment: string
}

export const bridgeDevice = 'br'
/** The network's end of the host's leg. */
export const legDevice = 'host'
export const vxlanDevice = 'vx'
/** The host's ends of all legs, of every cloud on this machine, as a filter names them. */
export const anyHostLeg = '"qhl*"'
/** Where `ip netns` keeps its names. */
export const namespaceDir = '/run/netns'
export const namespacePath = (name: string): string => `${namespaceDir}/${name}`

export function namesOf(owner: Owner): Names {
  const tag = digest(`${owner.cloud}\0${owner.host ?? ''}`, 8)
  return {
    tag,
    table: `quaystone_${tag}`,
    aliasPrefix: `quaystone:${tag}:`,
    alias: (kind, id, hash) => `quaystone:${tag}:${kind}:${id}:${hash}`,
    networkNamespacePrefix: `qnt-${tag}-`,
    routerNamespacePrefix: `qrt-${tag}-`,
    networkNamespace: (id) => `qnt-${tag}-${safe(id)}`,
    routerNamespace: (id) => `qrt-${tag}-${safe(id)}`,
    hostLeg: (id) => `qhl${digest(`${tag}\0${id}`, 12)}`,
    comment: `quaystone:${tag}`,
  }
}

/** `qtp` + 11 digits of the port's id, as Neutron's `tap…`: the host side of a container's veth. */
export const portDevice = (portId: string): string => `qtp${short(portId, 11)}`
/** The network's end of a router's leg; the router's end into a tenant network; and into the external one. */
export const routerPortDevice = (portId: string): string => `qrp${short(portId, 11)}`
export const routerLegDevice = (portId: string): string => `qr-${short(portId, 11)}`
export const routerGatewayDevice = (portId: string): string => `qg-${short(portId, 11)}`
/** An id as an nft identifier, which knows no dashes. */
export const identifier = (id: string): string => safe(id).replaceAll('-', '')

/** The first `length` hexadecimal digits of a SHA-256: the short form of anything. */
export const digest = (text: string, length = 10): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length)

/** A bridge or leg keeps its MAC over re-creation, so that nobody's neighbour table goes stale. */
export function derivedMac(seed: string): string {
  const hex = digest(seed, 10)
  return ['02', ...(hex.match(/../g) ?? [])].join(':')
}

/**
 * A large interface index for our end of a veth. When both ends happen to have the same index, the kernel takes the
 * pair for a single device and may let the first packets wait a second for its link watch.
 */
export const distinctIndex = (seed: string): number => 0x10000000 + Number.parseInt(digest(seed, 7), 16)

const uuidDigits = /^[0-9a-f]{32}$/
const short = (id: string, length: number): string => {
  const digits = id.replaceAll('-', '')
  return uuidDigits.test(digits) ? digits.slice(0, length) : digest(id, length)
}
/** Ids are UUIDs; anything else is hashed, so that no text of a user reaches a shell or a path. */
const safe = (id: string): string => (/^[0-9a-f-]{1,36}$/.test(id) ? id : digest(id, 32))
