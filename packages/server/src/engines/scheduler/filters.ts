/** The filters, in the order they are asked: each says no to a host, and can say why for all it turned away. */
import { canonicalArchitecture } from './architectures.ts'
import type { HostSnapshot, PlacementRequest, Stock } from './model.ts'

export interface Filter {
  name: string
  test(host: HostSnapshot, request: PlacementRequest): boolean
  /** Why the hosts it turned away were turned away, as one sentence. */
  explain(rejected: readonly HostSnapshot[], request: PlacementRequest): string
}

const namesShownMax = 3
const namesOf = (hosts: readonly HostSnapshot[]): string => {
  const names = hosts
    .slice(0, namesShownMax)
    .map((host) => host.name)
    .join(', ')
  return hosts.length > namesShownMax ? `${names} and ${hosts.length - namesShownMax} more` : names
}

const hostAsked: Filter = {
  name: 'HostAsked',
  test: (host, request) => request.host === undefined || host.name === request.host,
  explain: (rejected, request) => `only host '${request.host}' was asked for, not ${namesOf(rejected)}`,
}

const computeUp: Filter = {
  name: 'ComputeUp',
  test: (host) => host.up && host.enabled,
  explain(rejected) {
    const reasons = rejected
      .slice(0, namesShownMax)
      .map((host) =>
        !host.up
          ? `${host.name} is down`
          : `${host.name} is disabled${host.disabledReason ? ` (${host.disabledReason})` : ''}`,
      )
    return reasons.join('; ') + (rejected.length > namesShownMax ? `; and ${rejected.length - namesShownMax} more` : '')
  },
}

const availabilityZone: Filter = {
  name: 'AvailabilityZone',
  test: (host, request) => request.availabilityZone === undefined || host.availabilityZone === request.availabilityZone,
  explain: (rejected, request) => `${namesOf(rejected)} not in availability zone '${request.availabilityZone}'`,
}

const architecture: Filter = {
  name: 'ImageArchitecture',
  test: (host, request) =>
    request.architecture === undefined ||
    canonicalArchitecture(host.architecture) === canonicalArchitecture(request.architecture),
  explain: (rejected, request) =>
    `the image is for ${request.architecture}, ` +
    `while ${namesOf(rejected)} runs ${rejected[0]?.architecture ?? 'another architecture'}`,
}

const traits: Filter = {
  name: 'Traits',
  test: (host, request) =>
    request.requiredTraits.every((trait) => host.traits.has(trait)) &&
    !request.forbiddenTraits.some((trait) => host.traits.has(trait)),
  explain(rejected, request) {
    const parts = []
    if (request.requiredTraits.length > 0) parts.push(`must have ${request.requiredTraits.join(', ')}`)
    if (request.forbiddenTraits.length > 0) parts.push(`must not have ${request.forbiddenTraits.join(', ')}`)
    return `a host ${parts.join(' and ')}; ${namesOf(rejected)} does not fit`
  },
}

const sameHost: Filter = {
  name: 'SameHost',
  test: (host, request) => request.sameHosts === undefined || request.sameHosts.includes(host.name),
  explain: (rejected, request) =>
    request.sameHosts?.length === 0
      ? 'none of the servers named by same_host has a host'
      : `same_host asks for ${request.sameHosts?.join(' or ')}, not ${namesOf(rejected)}`,
}

const differentHost: Filter = {
  name: 'DifferentHost',
  test: (host, request) => !request.differentHosts.includes(host.name),
  explain: (rejected) => `different_host excludes ${namesOf(rejected)}`,
}

const groupAffinity: Filter = {
  name: 'ServerGroupAffinity',
  test: (host, { group, groupPlaced }) =>
    group?.policy !== 'affinity' || groupPlaced !== true || (host.groups.get(group.id) ?? 0) > 0,
  explain: (rejected, { group }) => `the members of affinity group ${group?.id} are not on ${namesOf(rejected)}`,
}

const groupAntiAffinity: Filter = {
  name: 'ServerGroupAntiAffinity',
  test: (host, { group }) =>
    group?.policy !== 'anti-affinity' || (host.groups.get(group.id) ?? 0) < (group.maxPerHost ?? 1),
  explain: (rejected, { group }) =>
    `${namesOf(rejected)} already holds ${group?.maxPerHost ?? 1} member(s) of anti-affinity group ${group?.id}`,
}

const resources: Filter = {
  name: 'Resources',
  test: (host, request) => {
    for (const name in request.resources) {
      if (!fits(host.stock[name], host.used[name] ?? 0, request.resources[name]!)) return false
    }
    return true
  },
  explain(rejected, request) {
    const lacking = Object.entries(request.resources)
      .filter(([name, amount]) => rejected.some((host) => !fits(host.stock[name], host.used[name] ?? 0, amount)))
      .map(([name, amount]) => shortage(rejected, name, amount))
    return lacking.join('; ')
  },
}

/** Placement's own rule for one class on one provider. */
export function fits(stock: Stock | undefined, used: number, amount: number): boolean {
  if (amount === 0) return true
  if (stock === undefined) return false
  return (
    amount >= stock.minUnit &&
    amount <= stock.maxUnit &&
    amount % stock.stepSize === 0 &&
    used + amount <= stock.capacity
  )
}

function shortage(hosts: readonly HostSnapshot[], name: string, amount: number): string {
  const offering = hosts.filter((host) => host.stock[name] !== undefined)
  if (offering.length === 0) return `no host offers ${name}`
  const largest = Math.max(...offering.map((host) => host.stock[name]!.maxUnit))
  if (amount > largest) return `${amount} ${name} asked, but one workload may have at most ${largest} on any host`
  const unfit = offering.find((host) => amount < host.stock[name]!.minUnit || amount % host.stock[name]!.stepSize !== 0)
  if (unfit)
    return `${amount} ${name} is not a multiple of ${unfit.stock[name]!.stepSize} from ${unfit.stock[name]!.minUnit} up`
  const free = offering.map((host) => ({ host, free: host.stock[name]!.capacity - (host.used[name] ?? 0) }))
  const best = free.reduce((left, right) => (right.free > left.free ? right : left))
  const { capacity } = best.host.stock[name]!
  return `${amount} ${name} asked, at most ${Math.max(0, best.free)} free (of ${capacity} on ${best.host.name})`
}

export const filters: readonly Filter[] = [
  hostAsked,
  computeUp,
  availabilityZone,
  architecture,
  traits,
  sameHost,
  differentHost,
  groupAffinity,
  groupAntiAffinity,
  resources,
]
