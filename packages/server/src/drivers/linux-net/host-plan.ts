/** The host's own side of its networks: legs into tenants' ones, gateways and ways out of external ones. Pure. */
import { parseAddress } from '#engines/cidr/address.ts'
import { canonicalCidr, cidrContains, cidrsOverlap } from '#engines/cidr/prefix.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { hostLegAddress, networkLegAddress } from './filter-base.ts'
import type { FoundFilter } from './filter-model.ts'
import { planFilter } from './filter-plan.ts'
import type { FoundLinks } from './found-links.ts'
import { forwardLines, hostFilter } from './host-filter.ts'
import { bridgeDevice, derivedMac, digest, legDevice, namespacePath, type Names } from './names.ts'
import { addressLines, type FoundRoute } from './namespace.ts'
import type { Step } from './shell.ts'
import { vethLine } from './veth.ts'

export interface FoundHostSide {
  links: FoundLinks
  routes: FoundRoute[]
  filter: FoundFilter
  /** `iptables -S` of the chains that may drop what the host forwards. */
  iptables: string[]
  /** Whether the host forwards at all. */
  forwards: boolean
}

/** A network's leg into the host: which prefixes the host will reach through it. */
export interface Leg {
  network: WantedNetwork
  device: string
  cidrs: string[]
  alias: string
}

export interface HostPlan {
  steps: Step[]
  /** `isGrave`: an external network out of reach, or one in whose way another cloud's device stands. */
  refused: { networkId: string; cidr: string; because: string; isGrave: boolean }[]
}

export interface HostGoal {
  networks: WantedNetwork[]
  /** Legs of other networks go. */
  reap: boolean
  /** Ids of networks whose leg is made anew, whatever the host's end looks like. */
  suspects: ReadonlySet<string>
}

export function planHostSide(names: Names, found: FoundHostSide, { networks, reap, suspects }: HostGoal): HostPlan {
  const standing = [...found.links.values()]
    .filter((link) => link.alias.startsWith(`${names.aliasPrefix}leg:`))
    .map((link) => link.name)
  const { legs, refused } = chooseLegs(names, found, networks, reap ? standing : [])
  const wanted = new Set(legs.map((leg) => leg.device))
  const external = legs.filter((leg) => leg.network.external)
  const about = 'connect the host with its networks'
  // Each on its own: a leg whose network is gone may vanish under our hands.
  const deletions = standing
    .filter((device) => !wanted.has(device))
    .map((device): Step => ({ about, tool: 'ip', lines: [`link del dev ${device}`], mayFail: true }))
  return {
    refused,
    steps: [
      ...(reap ? deletions : []),
      ...legs
        .filter((leg) => suspects.has(leg.network.id) || !isComplete(found, leg))
        .flatMap((leg) => legSteps(names, leg)),
      {
        about,
        tool: 'sh',
        lines: found.forwards || external.length === 0 ? [] : ['echo 1 > /proc/sys/net/ipv4/ip_forward'],
      },
      {
        about: 'masquerade what leaves the host',
        tool: 'nft',
        lines: filterLines(names, found.filter, external, reap),
      },
      {
        about: 'let the host forward for its external networks',
        tool: 'sh',
        lines: forwardLines(names, found.iptables, external, reap),
      },
    ],
  }
}

function filterLines(names: Names, found: FoundFilter, external: Leg[], reap: boolean): string[] {
  const wanted = hostFilter(external)
  // Without `reap` not all networks are given: what is there for the others must stay.
  return reap ? planFilter(found, wanted, names.table) : []
}

/** Existing legs keep their prefixes; then first come, first served: the host never has two meanings of an address. */
function chooseLegs(
  names: Names,
  found: FoundHostSide,
  networks: WantedNetwork[],
  leaving: string[],
): { legs: Leg[]; refused: HostPlan['refused'] } {
  const claimed = foreignPrefixes(
    found,
    new Set([...leaving, ...networks.map((network) => names.hostLeg(network.id))]),
  )
  const refused: HostPlan['refused'] = []
  const legs: Leg[] = []
  for (const network of standingFirst(names, found, networks)) {
    const cidrs = reachableCidrs(network).filter((cidr) => {
      const rival = claimed.find((claim) => cidrsOverlap(claim.cidr, cidr))
      if (rival) refused.push({ networkId: network.id, cidr, ...reasonOf(names, found, network, rival) })
      return !rival
    })
    const device = names.hostLeg(network.id)
    claimed.push(...cidrs.map((cidr) => ({ cidr, device })))
    if (cidrs.length > 0) legs.push({ network, device, cidrs, alias: legAlias(names, network, cidrs) })
  }
  return { legs, refused }
}

/** A dead cloud's leg looks like any device; its mark says whose it was. */
function reasonOf(
  names: Names,
  found: FoundHostSide,
  network: WantedNetwork,
  { cidr, device }: { cidr: string; device: string },
): { because: string; isGrave: boolean } {
  const alias = found.links.get(device)?.alias ?? ''
  const because = `${cidr} is on ${device}${alias ? ` (${alias})` : ''} already`
  const isOfAnotherCloud = alias.startsWith('quaystone:') && !alias.startsWith(names.aliasPrefix)
  const remedy = '; that is another cloud: `quaystone doctor` says whether it lives, and `--reap` removes a dead one'
  return { because: because + (isOfAnotherCloud ? remedy : ''), isGrave: network.external || isOfAnotherCloud }
}

const standingFirst = (names: Names, found: FoundHostSide, networks: WantedNetwork[]): WantedNetwork[] => {
  const stands = (network: WantedNetwork): boolean => found.links.has(names.hostLeg(network.id))
  return [...networks.filter(stands), ...networks.filter((network) => !stands(network))]
}

/** What the host means by its addresses without us: routes and addresses on devices that are not our legs. */
function foreignPrefixes(found: FoundHostSide, ours: Set<string>): { cidr: string; device: string }[] {
  const addresses = [...found.links.values()].flatMap((link) =>
    link.addresses.map((cidr) => ({ cidr: wholeCidr(cidr), device: link.name })),
  )
  const routes = found.routes.map((route) => ({ cidr: wholeCidr(route.destination), device: route.device }))
  return [...routes, ...addresses].filter(({ cidr, device }) => cidr !== '' && !ours.has(device))
}

const wholeCidr = (text: string): string => {
  const address = parseAddress(text)
  return canonicalCidr(address ? `${text}/${address.version === 4 ? 32 : 128}` : text) ?? ''
}

/** Subnets in which the host, or the namespace on its behalf, owns an address. IPv6 of tenants stays inside. */
function reachableCidrs(network: WantedNetwork): string[] {
  if (!network.external && network.reachableFromHost === false) return []
  const cidrs = network.subnets.map((subnet) => subnet.cidr).filter((cidr) => network.external || !cidr.includes(':'))
  return cidrs.filter((cidr) =>
    network.hostAddresses.some((owned) => cidrContains(cidr, owned.cidr.split('/')[0] ?? '')),
  )
}

const legAlias = (names: Names, network: WantedNetwork, cidrs: string[]): string =>
  names.alias(
    'leg',
    network.id,
    digest(JSON.stringify([network.external, network.mtu, cidrs, legAddresses(network)])),
  )

/** The addresses of the host's end. */
const legAddresses = (network: WantedNetwork): string[] =>
  network.external
    ? network.hostAddresses.map(({ cidr }) => cidr).filter((cidr) => !cidr.startsWith('169.254.169.254'))
    : [`${hostLegAddress}/32`]

function legSteps(names: Names, leg: Leg): Step[] {
  const about = `reach network ${leg.network.id} from the host`
  const netns = namespacePath(names.networkNamespace(leg.network.id))
  return [
    { about, tool: 'ip', lines: [`link del dev ${leg.device}`], mayFail: true },
    {
      about,
      tool: 'ip',
      lines: [
        createLeg(names, leg),
        `link set dev ${leg.device} alias ${names.alias('leg', leg.network.id, 'half-made')}`,
      ],
    },
    { about, tool: 'ip', netns, lines: farEndLines(leg.network) },
    {
      about,
      tool: 'ip',
      lines: [
        ...addressLines(undefined, legAddresses(leg.network), leg.device),
        `link set dev ${leg.device} up`,
        ...legRoutes(leg),
      ],
    },
    { about, tool: 'ip', lines: [`link set dev ${leg.device} alias ${leg.alias}`] },
  ]
}

function isComplete(found: FoundHostSide, leg: Leg): boolean {
  const link = found.links.get(leg.device)
  const hasRoutes = leg.cidrs.every((cidr) =>
    found.routes.some((route) => route.device === leg.device && canonicalCidr(route.destination) === cidr),
  )
  const hasAddresses = addressLines(link, legAddresses(leg.network), leg.device).length === 0
  return link?.up === true && link.alias === leg.alias && hasRoutes && hasAddresses
}

function createLeg(names: Names, { network, device }: Leg): string {
  const mac = (end: string): string => derivedMac(`${names.tag}\0${network.id}\0${end}`)
  const far = { name: legDevice, mac: mac('far leg'), namespace: names.networkNamespace(network.id) }
  return vethLine({ near: { name: device, mac: mac('leg') }, far, mtu: network.mtu })
}

/** An external network's leg is a port of its bridge; a tenant's is routed: the host is no neighbour there. */
const farEndLines = (network: WantedNetwork): string[] =>
  network.external
    ? [`link set dev ${legDevice} addrgenmode none master ${bridgeDevice} up`]
    : [
        `addr add ${networkLegAddress}/32 dev ${legDevice}`,
        `link set dev ${legDevice} up`,
        `route add ${hostLegAddress}/32 dev ${legDevice}`,
      ]

const legRoutes = (leg: Leg): string[] =>
  leg.network.external
    ? []
    : leg.cidrs.map(
        (cidr) => `route add ${cidr} via ${networkLegAddress} dev ${leg.device} onlink src ${hostLegAddress}`,
      )
