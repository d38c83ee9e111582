/** `/allocation_candidates`: which providers could hold what is asked. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Candidate, Candidates, RequestGroup } from '../manager/candidates.ts'
import { capacityOf } from '../manager/inventory.ts'
import type { Managers } from '../manager/managers.ts'
import type { Provider } from '../manager/views.ts'
import { fresh, isAt } from './answers.ts'
import { groupOf, listOf, parseGroups, parseTraits } from './query.ts'
import type { Values } from './query.ts'

const otherKeys: Readonly<Record<string, string>> = {
  limit: '1.16',
  group_policy: '1.25',
  root_required: '1.35',
  same_subtree: '1.36',
}

function assertKeys(ctx: RequestContext, query: Record<string, Values>): void {
  const unknown = Object.keys(query).find(
    (key) => groupOf(key, ctx.version) === undefined && !(otherKeys[key] !== undefined && isAt(ctx, otherKeys[key])),
  )
  if (unknown)
    throw badRequest(
      `Invalid query string parameters: Additional properties are not allowed ('${unknown}' was unexpected)`,
    )
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  throw badRequest(`Invalid query string parameters: '${text}' does not match '^[1-9][0-9]*$'`)
}

/** With one suffixed group there is nothing to keep apart. */
function isIsolated(policy: string | undefined, groups: RequestGroup[]): boolean {
  if (policy === undefined && groups.filter(({ suffix }) => suffix !== '').length > 1) {
    throw badRequest('The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.')
  }
  if (policy !== undefined && policy !== 'none' && policy !== 'isolate') {
    throw badRequest(`Invalid query string parameters: '${policy}' is not one of ['none', 'isolate']`)
  }
  return policy === 'isolate'
}

const requestView = (ctx: RequestContext, { allocations, mappings }: Candidate) => {
  if (!isAt(ctx, '1.12')) {
    return { allocations: [...allocations].map(([uuid, resources]) => ({ resource_provider: { uuid }, resources })) }
  }
  const map = Object.fromEntries([...allocations].map(([uuid, resources]) => [uuid, { resources }]))
  return { allocations: map, ...(isAt(ctx, '1.34') && { mappings }) }
}

const summaryView = (ctx: RequestContext, provider: Provider, asked: Set<string>) => ({
  resources: Object.fromEntries(
    Object.entries(provider.inventories)
      .filter(([name]) => asked.has(name) || isAt(ctx, '1.27'))
      .map(([name, inventory]) => [name, { capacity: capacityOf(inventory), used: provider.used[name] ?? 0 }]),
  ),
  ...(isAt(ctx, '1.17') && { traits: provider.traits }),
  ...(isAt(ctx, '1.29') && { parent_provider_uuid: provider.parentId, root_provider_uuid: provider.rootId }),
})

const candidatesView = (ctx: RequestContext, { candidates, providers }: Candidates, groups: RequestGroup[]) => {
  const asked = new Set(groups.flatMap(({ resources }) => Object.keys(resources)))
  return {
    allocation_requests: candidates.map((candidate) => requestView(ctx, candidate)),
    provider_summaries: Object.fromEntries(
      providers.map((provider) => [provider.id, summaryView(ctx, provider, asked)]),
    ),
  }
}

export const candidateRoutes = [
  defineRoute({
    id: 'allocation_candidates.list',
    method: 'GET',
    path: '/allocation_candidates',
    since: '1.10',
    summary: 'Find providers that could hold a request',
    policy: 'placement:allocation_candidates:list',
    reply: { status: 200 },
    async handler(api: Managers, ctx, { query }) {
      assertKeys(ctx, query)
      const groups = parseGroups(query, ctx.version)
      const found = await api.candidates.find({
        groups,
        isolate: isIsolated(listOf(query.group_policy)[0], groups),
        limit: limitOf(listOf(query.limit)[0]),
        rootTraits:
          query.root_required === undefined
            ? undefined
            : parseTraits(query.root_required, ctx.version, 'root_required'),
      })
      return fresh(api, ctx, candidatesView(ctx, found, groups))
    },
  }),
]
