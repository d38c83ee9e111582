/** A namespace of ours: what is found in it, and the steps that make and configure one. Pure. */
import { emptyFound, without, type FoundFilter } from './filter-model.ts'
import type { FoundLink, FoundLinks } from './found-links.ts'
import { namespacePath } from './names.ts'
import type { Step } from './shell.ts'

export interface FoundRoute {
  destination: string
  device: string
  gateway: string
  protocol: string
}

export interface FoundNamespace {
  /** Its name exists, but a crash left no namespace behind it. */
  broken: boolean
  /** The kernel's switches as read by `switchReader`. */
  switches: string
  links: FoundLinks
  filter: FoundFilter
  routes: FoundRoute[]
  /** The VXLAN device's table: `<mac> <address>`. */
  remotes: string[]
}

export const nothingFound = (): FoundNamespace => ({
  broken: false,
  switches: '',
  links: new Map(),
  filter: emptyFound(),
  routes: [],
  remotes: [],
})

/** A namespace gets a number in the host's, so that the host's monitor hears of its devices. */
export function namespaceSteps(name: string, found: FoundNamespace | undefined): Step[] {
  if (found && !found.broken) return []
  const about = `make namespace ${name}`
  return [
    {
      about,
      tool: 'sh',
      lines: [...(found ? [removeNamespace(name)] : []), `ip netns add ${name}`, `ip netns set ${name} auto`],
    },
  ]
}

/** A crash may leave a name without a namespace, which `ip netns del` refuses. */
export const removeNamespace = (name: string): string =>
  `ip netns del ${name} 2>/dev/null || rm -f ${namespacePath(name)}`

export type Switches = readonly (readonly [path: string, value: 0 | 1 | 2])[]

/** Bridged frames must meet the inet filter; the host's leg is routed. */
export const networkSwitches: Switches = [
  ['bridge/bridge-nf-call-iptables', 1],
  ['bridge/bridge-nf-call-ip6tables', 1],
  ['bridge/bridge-nf-call-arptables', 0],
  ['ipv4/ip_forward', 1],
  ['ipv4/conf/all/rp_filter', 0],
]
/** A router forwards, answers for its own legs only, and announces the addresses that it takes over. */
export const routerSwitches: Switches = [
  ['ipv4/ip_forward', 1],
  ['ipv4/conf/all/rp_filter', 0],
  ['ipv4/conf/all/arp_ignore', 1],
  ['ipv4/conf/all/arp_announce', 2],
  ['ipv4/conf/all/arp_notify', 1],
]

/**
 * By the shell's own means, for a process costs more than the rest of a look. The kernel answers the first read of
 * such a file only, and the shell reads a character at a time: enough for one digit, without the end of the line.
 */
const readerOf = (switches: Switches): string =>
  `for key in ${switches.map(([path]) => path).join(' ')}
do value=; read -r value < /proc/sys/net/$key; echo "$value"; done`
/** Shell text that prints the switches of the kind of namespace whose path is in `$1`. */
export const switchReader = `case "$1" in */qrt-*) ${readerOf(routerSwitches)};; *) ${readerOf(networkSwitches)};; esac`

export function switchSteps(found: string, switches: Switches, netns: string, about: string): Step[] {
  if (found.trim() === switches.map(([, value]) => value).join('\n')) return []
  const needsBridge = switches.some(([path]) => path.startsWith('bridge/'))
  return [
    {
      about,
      tool: 'sh',
      netns,
      lines: [
        ...(needsBridge
          ? [
              'if [ ! -d /proc/sys/net/bridge ]',
              'then echo "the kernel module br_netfilter is missing: modprobe br_netfilter" >&2; exit 1; fi',
            ]
          : []),
        ...switches.map(([path, value]) => `echo ${value} > /proc/sys/net/${path}`),
        // A namespace begins with what its maker had switched on; nobody configures ours from outside.
        'echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter',
        'cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0',
        'for key in all default; do echo 0 > $key/accept_ra; done',
        // A router asks for nobody while its link-local address may have a double, and ours has none.
        'echo 0 > default/accept_dad',
        `echo ${needsBridge ? 0 : 1} > all/forwarding`,
      ],
    },
  ]
}

/** Makes a device's addresses equal to `wanted`. */
export function addressLines(link: FoundLink | undefined, wanted: string[], device: string): string[] {
  const have = new Set(link?.addresses)
  const should = new Set(wanted)
  return [
    ...without(have, should).map((cidr) => `addr del ${cidr} dev ${device}`),
    ...without(should, have).map((cidr) => `addr add ${cidr} dev ${device}${cidr.includes(':') ? ' nodad' : ''}`),
  ]
}
