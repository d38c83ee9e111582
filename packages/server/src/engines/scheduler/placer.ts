/** Places many requests on one snapshot: equal requests share one ranking, so each costs O(log hosts). */
import { passes, rejectionsOf } from './schedule.ts'
import { Ranking } from './ranking.ts'
import { score } from './weighers.ts'
import { spread } from './model.ts'
import type { HostSnapshot, Placement, PlacementRequest, Weights } from './model.ts'

/** A host as the placer counts on: its use and its groups grow with each placement. */
interface Working extends HostSnapshot {
  used: Record<string, number>
  groups: Map<string, number>
  version: number
}

/** Rankings kept at once; the one that was not asked for the longest goes first. */
const rankingsMax = 64

export interface Placer {
  /** The answer `schedule` would give now; a host found is charged with the request. */
  place(request: PlacementRequest): Placement
}

export function createPlacer(hosts: readonly HostSnapshot[], weights: Weights = spread): Placer {
  const working = hosts.map((host): Working => ({
    ...host,
    used: { ...host.used },
    groups: new Map(host.groups),
    version: 0,
  }))
  const byName = new Map(working.map((host) => [host.name, host]))
  const placedGroups = new Set(working.flatMap((host) => [...host.groups.keys()]))
  const rankings = new Map<string, { request: PlacementRequest; ranking: Ranking }>()

  const rankingOf = (request: PlacementRequest): Ranking => {
    const key = signature(request)
    const known = rankings.get(key)
    rankings.delete(key)
    const entry = known ?? { request, ranking: rank(request) }
    rankings.set(key, entry)
    if (rankings.size > rankingsMax) rankings.delete(rankings.keys().next().value!)
    return entry.ranking
  }
  const rank = (request: PlacementRequest): Ranking =>
    Ranking.of(
      working
        .filter((host) => passes(host, request))
        .map((host) => ({ name: host.name, score: score(host, request, weights), version: host.version })),
    )

  /** Every live ranking learns the changed host's new score; older entries of it are recognised by their version. */
  const charge = (host: Working, request: PlacementRequest): void => {
    for (const name in request.resources) host.used[name] = (host.used[name] ?? 0) + request.resources[name]!
    if (request.group) {
      host.groups.set(request.group.id, (host.groups.get(request.group.id) ?? 0) + 1)
      if (!placedGroups.has(request.group.id)) forgetGroup(request.group.id)
      placedGroups.add(request.group.id)
    }
    host.version += 1
    for (const entry of rankings.values()) {
      if (passes(host, entry.request)) {
        entry.ranking.push({ name: host.name, score: score(host, entry.request, weights), version: host.version })
      }
    }
  }
  /** The first member of a group binds the others: rankings made before it do not know. */
  const forgetGroup = (groupId: string): void => {
    for (const [key, entry] of rankings) if (entry.request.group?.id === groupId) rankings.delete(key)
  }
  const withGroup = (request: PlacementRequest): PlacementRequest =>
    request.group === undefined
      ? request
      : { ...request, groupPlaced: request.groupPlaced === true || placedGroups.has(request.group.id) }

  return {
    place(asked) {
      const request = withGroup(asked)
      const best = rankingOf(request).best((entry) => byName.get(entry.name)!.version === entry.version)
      if (best === undefined)
        return { host: undefined, considered: working.length, rejections: rejectionsOf(request, working) }
      charge(byName.get(best.name)!, request)
      return { host: best.name, score: best.score }
    },
  }
}

/** Requests with equal signatures are equal for every filter and weigher. */
const signature = (request: PlacementRequest): string =>
  JSON.stringify([
    Object.entries(request.resources).sort(([left], [right]) => (left < right ? -1 : 1)),
    request.availabilityZone,
    request.host,
    request.requiredTraits,
    request.forbiddenTraits,
    request.architecture,
    request.group,
    request.groupPlaced,
    request.differentHosts,
    request.sameHosts,
    request.imageId,
  ])
