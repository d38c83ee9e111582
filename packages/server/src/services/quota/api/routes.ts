/** Quota's own API: what OpenStack has no words for. */
import { oneVersionRoute } from '#platform/api-kit/one-version.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { Nullable, Strict, T } from '#platform/api-kit/schema.ts'
import { victimRules } from '#engines/quota/victim-order.ts'
import type { ResourceLimit } from '../facade.ts'
import { happeningKinds } from '../manager/history.ts'
import type { Step } from '../manager/board.ts'
import { claimRoutes } from './claims.ts'
import { happeningView, moment, waitingView } from './history-view.ts'
import type { QuotaApi } from './quota-api.ts'

const limit = T.Integer({ minimum: -1, maximum: Number.MAX_SAFE_INTEGER })
const amount = T.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const name = T.String({ minLength: 1, maxLength: 255 })
const amounts = T.Record(name, amount)
const opt = T.Optional

const terms = {
  lend: opt(limit),
  borrow: opt(limit),
  ceiling: opt(Nullable(limit)),
  weight: opt(T.Integer({ minimum: 0, maximum: 1_000_000 })),
  tier: opt(T.Integer({ minimum: 1, maximum: 10 })),
}
const holding = Strict({ own: opt(limit), pool: opt(amount), ...terms })
/** With how the project's own containers take part beside its children. */
const wholeHolding = Strict({ own: opt(limit), pool: opt(amount), ...terms, self: opt(Strict(terms)) })
/** Null: as the parent has it. */
const policy = Strict({
  reclaim: opt(Nullable(T.Enum(['never', 'natural', 'onDemand', 'aggressive']))),
  graceMs: opt(Nullable(amount)),
  graceMaxMs: opt(Nullable(amount)),
  minRuntimeMs: opt(Nullable(amount)),
  waitsForMinRuntime: opt(Nullable(T.Boolean())),
  reclaimsMax: opt(Nullable(T.Integer({ minimum: 1 }))),
  victimOrder: opt(Nullable(T.Array(T.Enum([...victimRules]), { minItems: 1, uniqueItems: true }))),
  onReclaim: opt(Nullable(T.Enum(['delete', 'stop']))),
  /** −1: never. */
  shrinkAfterMs: opt(Nullable(limit)),
  whenFull: opt(Nullable(T.Enum(['refuse', 'wait']))),
  whenFullOf: opt(Nullable(T.Record(name, T.Enum(['refuse', 'wait'])))),
  waitMaxMs: opt(Nullable(amount)),
})
const step = T.Union([
  Strict({ set: Strict({ project_id: name, resource: name, holding, force: opt(T.Boolean()) }) }),
  Strict({ claim: Strict({ project_id: name, amounts, reclaimable: opt(T.Enum(['never', 'yes', 'preferred'])) }) }),
  Strict({ release: Strict({ subject: name }) }),
])

const HistoryQuery = T.Object({
  project_id: opt(name),
  kind: opt(T.Array(T.Enum([...happeningKinds]))),
  resource: opt(name),
  subject: opt(name),
  since: opt(name),
  until: opt(name),
  before: opt(T.Integer({ minimum: 1 })),
  limit: opt(T.Integer({ minimum: 1, maximum: 1000 })),
})

const one = '/projects/{project_id}'
const errors = [403, 404]

export const routes: Route<QuotaApi>[] = [
  oneVersionRoute<QuotaApi>('v1'),
  defineRoute<QuotaApi>({
    id: 'resources.list',
    method: 'GET',
    path: '/resources',
    summary: 'List what is counted',
    policy: 'quota:show',
    reply: { status: 200 },
    handler: async ({ board }) => ({ resources: await board.resources() }),
  }),
  defineRoute({
    id: 'tree.show',
    method: 'GET',
    path: '/tree',
    summary: 'Show projects and their numbers, the parents first',
    policy: 'quota:show',
    query: T.Object({ project_id: opt(name) }),
    reply: { status: 200 },
    errors,
    handler: async ({ board }: QuotaApi, ctx, { query }) => ({ tree: await board.tree(ctx, query.project_id) }),
  }),
  defineRoute<QuotaApi>({
    id: 'projects.show',
    method: 'GET',
    path: one,
    summary: "Show a project's quota",
    policy: 'quota:show',
    reply: { status: 200 },
    errors,
    handler: async ({ board }, ctx, { params }) => ({ quota: await board.show(ctx, params.project_id!) }),
  }),
  defineRoute({
    id: 'projects.update',
    method: 'PUT',
    path: one,
    summary: "Set a project's quota",
    policy: 'quota:set',
    reply: { status: 200 },
    errors,
    body: Strict({ limits: T.Record(name, T.Union([limit, wholeHolding])), force: opt(T.Boolean()) }),
    handler: async ({ board }: QuotaApi, ctx, { params, body }) => ({
      quota: await board.set(
        ctx,
        params.project_id!,
        body.limits as Record<string, number | ResourceLimit>,
        body.force ?? false,
      ),
    }),
  }),
  defineRoute({
    id: 'projects.delete',
    method: 'DELETE',
    path: one,
    summary: "Return a project's quota, of some resources or of all, to the defaults",
    policy: 'quota:set',
    query: T.Object({ resource: opt(T.Array(name)) }),
    reply: { status: 204 },
    errors,
    handler: ({ board }: QuotaApi, ctx, { params, query }) => board.reset(ctx, params.project_id!, query.resource),
  }),
  defineRoute({
    id: 'projects.policy',
    method: 'PUT',
    path: `${one}/policy`,
    summary: "Set how a project's loans come back",
    policy: 'quota:set',
    body: Strict({ policy }),
    reply: { status: 200 },
    errors,
    handler: async ({ board }: QuotaApi, ctx, { params, body }) => ({
      policy: await board.setPolicy(ctx, params.project_id!, body.policy),
    }),
  }),
  defineRoute<QuotaApi>({
    id: 'projects.loans',
    method: 'GET',
    path: `${one}/loans`,
    summary: 'List who lends what to whom',
    policy: 'quota:show',
    reply: { status: 200 },
    errors,
    handler: async ({ board }, ctx, { params }) => ({ loans: await board.loans(ctx, params.project_id!) }),
  }),
  defineRoute({
    id: 'projects.explain',
    method: 'POST',
    path: `${one}/explain`,
    summary: 'Explain what a request would get, and why',
    policy: 'quota:show',
    body: Strict({ amounts, priority: opt(T.Integer()) }),
    reply: { status: 200 },
    errors,
    handler: async ({ board }: QuotaApi, ctx, { params, body }) => ({
      explanation: await board.explain(ctx, params.project_id!, body),
    }),
  }),
  defineRoute({
    id: 'projects.simulate',
    method: 'POST',
    path: `${one}/simulate`,
    summary: 'Play limits and requests on a copy of the tree',
    policy: 'quota:show',
    body: Strict({ steps: T.Array(step, { maxItems: 1000 }) }),
    reply: { status: 200 },
    errors,
    handler: async ({ board }: QuotaApi, ctx, { params, body }) => {
      const { results, rows } = await board.simulate(ctx, params.project_id!, body.steps as Step[])
      return { results, tree: rows }
    },
  }),
  defineRoute<QuotaApi>({
    id: 'projects.policy.show',
    method: 'GET',
    path: `${one}/policy`,
    summary: "Show how a project's loans come back",
    policy: 'quota:show',
    reply: { status: 200 },
    errors,
    handler: async ({ board }, ctx, { params }) => ({ policy: await board.policy(ctx, params.project_id!) }),
  }),
  defineRoute<QuotaApi>({
    id: 'projects.waiting',
    method: 'GET',
    path: `${one}/waiting`,
    summary: 'List the requests that stand in line, the next one first',
    policy: 'quota:show',
    reply: { status: 200 },
    errors,
    handler: async ({ waiting }, ctx, { params }) => ({
      waiting: (await waiting.list(ctx, params.project_id!)).map(waitingView),
    }),
  }),
  defineRoute({
    id: 'history.list',
    method: 'GET',
    path: '/history',
    summary: 'List what happened to quota, the newest first',
    policy: 'quota:show',
    query: HistoryQuery,
    reply: { status: 200 },
    errors,
    handler: async ({ past }: QuotaApi, ctx, { query }) => {
      const { project_id, kind, resource, subject, since, until, limit = 100, before } = query
      const found = await past.list(ctx, {
        ...{ projectId: project_id, resource, subject, before, limit },
        ...{ kinds: kind, sinceMs: moment('since', since), untilMs: moment('until', until) },
      })
      return { history: found.map(happeningView) }
    },
  }),
  defineRoute<QuotaApi>({
    id: 'unified.list',
    method: 'GET',
    path: '/unified-limits',
    summary: "List Keystone's limits and what each of them limits here",
    policy: 'quota:show_unified',
    reply: { status: 200 },
    handler: async ({ unified }) => ({ unified_limits: await unified.list() }),
  }),
  ...claimRoutes,
]
