/** The weighers: what makes one fitting host better than another. Each gives 0 … 1; multipliers mix them. */
import type { HostSnapshot, PlacementRequest, Weights } from './model.ts'

/** The share of a class that would still be free with the request placed; a host without the class counts as full. */
function freeShare(host: HostSnapshot, request: PlacementRequest, resource: string): number {
  const capacity = host.stock[resource]?.capacity ?? 0
  if (capacity <= 0) return 0
  return (capacity - (host.used[resource] ?? 0) - (request.resources[resource] ?? 0)) / capacity
}

/** Members of the group already here: wanted by soft affinity, unwanted by soft anti-affinity. In −1 … 1. */
function company(host: HostSnapshot, { group }: PlacementRequest): number {
  if (group === undefined || !group.policy.startsWith('soft-')) return 0
  const members = host.groups.get(group.id) ?? 0
  const share = members / (members + 1)
  return group.policy === 'soft-affinity' ? share : -share
}

/** A soft group's wish must outweigh the three resources together, or it would be no wish at all. */
const softGroupScale = 10

/** Absolute, not relative to the other hosts: so a host's score changes only when the host does. */
export function score(host: HostSnapshot, request: PlacementRequest, weights: Weights): number {
  return (
    weights.ram * freeShare(host, request, 'MEMORY_MB') +
    weights.cpu * freeShare(host, request, 'VCPU') +
    weights.disk * freeShare(host, request, 'DISK_GB') +
    (request.group === undefined ? 0 : weights.softGroup * softGroupScale * company(host, request)) +
    (request.imageId !== undefined && host.images.has(request.imageId) ? weights.imageLocality : 0)
  )
}
