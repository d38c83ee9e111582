/** Allocation candidates: every provider, or combination of them for granular groups, that could hold a request. */
import type { Database } from '#platform/db/database.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { assertClassesKnown, assertTraitsKnown } from './names.ts'
import { hasRoom, hasTraits, isInAggregates } from './providers.ts'
import type { AggregateFilter, TraitFilter } from './providers.ts'
import { providerViews } from './views.ts'
import type { Provider } from './views.ts'

/** One group of a request; the suffix is empty for the ungrouped one. */
export interface RequestGroup {
  suffix: string
  resources: Record<string, number>
  traits: TraitFilter
  aggregates: AggregateFilter
  inTree?: string
}

export interface CandidateQuery {
  groups: RequestGroup[]
  isolate: boolean
  limit?: number
  rootTraits?: TraitFilter
}

/** Provider → what of it, and which provider serves which group. */
export interface Candidate {
  allocations: Map<string, Record<string, number>>
  mappings: Record<string, string[]>
}
export interface Candidates {
  candidates: Candidate[]
  providers: Provider[]
}

/** More combinations than this help no scheduler. */
const combinationsMax = 1000

export async function candidatesFind(
  db: Database,
  { groups, isolate, limit, rootTraits }: CandidateQuery,
): Promise<Candidates> {
  if (groups.every(({ resources }) => Object.keys(resources).length === 0)) {
    throw badRequest('There must be at least one resources or resources[$S] parameter.', {
      code: 'placement.query.missing_value',
    })
  }
  const traits = groups.flatMap((group) => [...group.traits.required.flat(), ...group.traits.forbidden])
  await assertClassesKnown(
    db,
    groups.flatMap(({ resources }) => Object.keys(resources)),
    'Invalid resource class in resources parameter: ',
  )
  await assertTraitsKnown(db, [...traits, ...(rootTraits?.required.flat() ?? []), ...(rootTraits?.forbidden ?? [])])
  const providers = await providerViews(db)
  const byRoot = Map.groupBy(providers, ({ rootId }) => rootId)
  const candidates = [...byRoot.values()]
    .filter(
      (tree) =>
        rootTraits === undefined ||
        tree.some((provider) => provider.id === provider.rootId && hasTraits(provider, rootTraits)),
    )
    .flatMap((tree) => inTree(tree, groups, isolate))
    .slice(0, limit)
  const roots = new Set(
    candidates
      .flatMap(({ allocations }) => [...allocations.keys()])
      .map((id) => providers.find((one) => one.id === id)!.rootId),
  )
  return { candidates, providers: providers.filter(({ rootId }) => roots.has(rootId)) }
}

/** All ways in which one tree can serve all groups. Different groups may share a provider unless they are isolated. */
function inTree(tree: Provider[], groups: RequestGroup[], isolate: boolean): Candidate[] {
  const choices = groups.map((group) => tree.filter((provider) => serves(tree, provider, group)))
  let chosen: Provider[][] = [[]]
  for (const choice of choices) {
    chosen = chosen.flatMap((before) => choice.map((provider) => [...before, provider])).slice(0, combinationsMax)
  }
  return chosen
    .filter((one) => !isolate || isApart(one, groups))
    .map((one) => combine(one, groups))
    .filter((one) => isRoomy(one, tree))
}

function serves(tree: Provider[], provider: Provider, group: RequestGroup): boolean {
  const root = group.inTree === undefined ? undefined : tree.some(({ id }) => id === group.inTree)
  return (
    root !== false &&
    hasRoom(provider, group.resources) &&
    hasTraits(provider, group.traits) &&
    isInAggregates(provider, group.aggregates)
  )
}

/** `group_policy=isolate` speaks of the suffixed groups only. */
function isApart(chosen: Provider[], groups: RequestGroup[]): boolean {
  const granular = chosen.filter((_, at) => groups[at]!.suffix !== '')
  return new Set(granular).size === granular.length
}

function combine(chosen: Provider[], groups: RequestGroup[]): Candidate {
  const allocations = new Map<string, Record<string, number>>()
  const mappings: Record<string, string[]> = {}
  for (const [at, group] of groups.entries()) {
    const { id } = chosen[at]!
    const resources = allocations.get(id) ?? {}
    for (const [name, amount] of Object.entries(group.resources)) resources[name] = (resources[name] ?? 0) + amount
    allocations.set(id, resources)
    mappings[group.suffix] = [id]
  }
  return { allocations, mappings }
}

/** Two groups that fit one by one may not fit together. */
const isRoomy = ({ allocations }: Candidate, tree: Provider[]): boolean =>
  [...allocations].every(([id, resources]) =>
    hasRoom(
      tree.find((provider) => provider.id === id)!,
      resources,
    ),
  )
