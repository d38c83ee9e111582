/** Filter, then weigh: the best host for one request, or every filter's reason why there is none. */
import { filters } from './filters.ts'
import type { HostSnapshot, Placement, PlacementRequest, Rejection, Weights } from './model.ts'
import { spread } from './model.ts'
import { score } from './weighers.ts'

export const passes = (host: HostSnapshot, request: PlacementRequest): boolean =>
  filters.every((filter) => filter.test(host, request))

/** Higher scores first; equal ones by name, so that equal input always has equal output. */
export const isBetter = (left: { name: string; score: number }, right: { name: string; score: number }): boolean =>
  left.score > right.score || (left.score === right.score && left.name < right.name)

export function schedule(
  request: PlacementRequest,
  hosts: readonly HostSnapshot[],
  weights: Weights = spread,
): Placement {
  let best: { name: string; score: number } | undefined
  for (const host of hosts) {
    if (!passes(host, request)) continue
    const candidate = { name: host.name, score: score(host, request, weights) }
    if (best === undefined || isBetter(candidate, best)) best = candidate
  }
  return best
    ? { host: best.name, score: best.score }
    : { host: undefined, considered: hosts.length, rejections: rejectionsOf(request, hosts) }
}

/** Walks the filters in order over the hosts still standing, as an operator would read it. */
export function rejectionsOf(request: PlacementRequest, hosts: readonly HostSnapshot[]): Rejection[] {
  const rejections: Rejection[] = []
  let standing = hosts
  for (const filter of filters) {
    const rejected = standing.filter((host) => !filter.test(host, request))
    if (rejected.length === 0) continue
    rejections.push({ filter: filter.name, hosts: rejected.length, explanation: filter.explain(rejected, request) })
    standing = standing.filter((host) => filter.test(host, request))
  }
  return rejections
}

/** The sentence a person reads: which filter turned away how many hosts, and why. */
export function explainRejections(placement: { considered: number; rejections: Rejection[] }): string {
  if (placement.considered === 0)
    return 'The cloud has no hosts yet: start an agent, or see whether its Docker Engine answers.'
  return placement.rejections
    .map(
      ({ filter, hosts, explanation }) =>
        `${filter} turned away ${hosts} of ${placement.considered} host(s): ${explanation}.`,
    )
    .join(' ')
}
