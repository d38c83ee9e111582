/** Claims over HTTP: for services and schedulers outside the process, which own what quota counts. */
import { isoSeconds } from '#platform/clock/clock.ts'
import { defineRoute, reply, type Route } from '#platform/api-kit/route.ts'
import { Strict, T, type Static } from '#platform/api-kit/schema.ts'
import type { ClaimName, OutsideAsk, OutsideClaim } from '../manager/outside-claims.ts'
import type { QuotaApi } from './quota-api.ts'

const opt = T.Optional
const name = T.String({ minLength: 1, maxLength: 255 })
const claimId = T.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' })
/** Half a century. */
const durationMs = T.Integer({ minimum: 1, maximum: 1_600_000_000_000 })
const amounts = T.Record(name, T.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const rank = 2 ** 31
const priority = T.Integer({ minimum: -rank, maximum: rank - 1 })

const ask = Strict({
  id: opt(claimId),
  project_id: opt(name),
  amounts,
  priority: opt(priority),
  reclaimable: opt(T.Enum(['never', 'yes', 'preferred'])),
  when_full: opt(T.Enum(['refuse', 'wait', 'policy'])),
  wait_max_ms: opt(durationMs),
  ttl_ms: opt(durationMs),
  started: opt(T.Boolean()),
  lineage: opt(name),
})
const manyMax = 1000
const named = Strict({ project_id: opt(name), id: claimId })

const ListQuery = T.Object({
  project_id: opt(name),
  state: opt(T.Enum(['reserved', 'committed', 'recalled', 'waiting'])),
  /** `<project id>:<claim id>` of the last one of the page before. */
  marker: opt(name),
  limit: opt(T.Integer({ minimum: 1, maximum: manyMax })),
})

const askOf = (wire: Static<typeof ask>, own: string): OutsideAsk => ({
  id: wire.id,
  projectId: wire.project_id ?? own,
  amounts: wire.amounts as Record<string, number>,
  priority: wire.priority,
  reclaimable: wire.reclaimable as OutsideAsk['reclaimable'],
  whenFull: wire.when_full as OutsideAsk['whenFull'],
  waitMaxMs: wire.wait_max_ms,
  ttlMs: wire.ttl_ms,
  started: wire.started,
  lineage: wire.lineage,
})

const view = (claim: OutsideClaim) => ({
  id: claim.id,
  project_id: claim.projectId,
  state: claim.state,
  amounts: claim.amounts,
  priority: claim.priority,
  reclaimable: claim.reclaimable,
  since: isoSeconds(claim.since),
  expires_at: momentOf(claim.expiresAt),
  deadline_at: momentOf(claim.deadlineAt),
  ...(claim.state === 'waiting' && { position: claim.position, gathered: claim.gathered, reason: claim.reason }),
})

const momentOf = (ms: number | null): string | null => (ms === null ? null : isoSeconds(ms))

const nameOf = (params: Record<string, string>): ClaimName => ({
  projectId: params.project_id!,
  id: params.claim_id!,
})

const markerOf = (marker: string | undefined): ClaimName | undefined => {
  const at = marker?.lastIndexOf(':') ?? -1
  return marker === undefined ? undefined : { projectId: marker.slice(0, Math.max(0, at)), id: marker.slice(at + 1) }
}

const one = '/projects/{project_id}/claims/{claim_id}'

export const claimRoutes: Route<QuotaApi>[] = [
  defineRoute({
    id: 'claims.create',
    method: 'POST',
    path: '/claims',
    summary: 'Reserve amounts, all claims of the request or none; 202 where a claim waits',
    policy: 'quota:claim',
    body: Strict({ claims: T.Array(ask, { minItems: 1, maxItems: manyMax }) }),
    reply: { status: 201 },
    errors: [403, 404, 409],
    handler: async ({ outside }: QuotaApi, ctx, { body }) => {
      const claims = await outside.make(
        ctx,
        body.claims.map((wire) => askOf(wire, ctx.projectId)),
      )
      const waits = claims.some(({ state }) => state === 'waiting')
      return reply({ status: waits ? 202 : 201, body: { claims: claims.map(view) } })
    },
  }),
  defineRoute({
    id: 'claims.list',
    method: 'GET',
    path: '/claims',
    summary: 'List the claims that programs outside made, those that wait among them',
    policy: 'quota:show',
    query: ListQuery,
    reply: { status: 200 },
    errors: [403, 404],
    handler: async ({ outside }: QuotaApi, ctx, { query }) => {
      const { project_id: projectId, state, marker, limit = manyMax } = query
      return { claims: (await outside.list(ctx, { projectId, state, after: markerOf(marker), limit })).map(view) }
    },
  }),
  defineRoute({
    id: 'claims.commit_many',
    method: 'POST',
    path: '/claims/commit',
    summary: 'Start several reservations, all or none: they no longer run out',
    policy: 'quota:claim',
    body: Strict({ claims: T.Array(named, { minItems: 1, maxItems: manyMax }) }),
    reply: { status: 200 },
    errors: [403, 404, 409, 410],
    handler: async ({ outside }: QuotaApi, ctx, { body }) => {
      const names = body.claims.map(({ project_id: projectId = ctx.projectId, id }) => ({ projectId, id }))
      return { claims: (await outside.commit(ctx, names)).map(view) }
    },
  }),
  defineRoute<QuotaApi>({
    id: 'claims.show',
    method: 'GET',
    path: one,
    summary: 'Show a claim; of one that waits, its place in line, what is kept for it and why it waits',
    policy: 'quota:show',
    reply: { status: 200 },
    errors: [403, 404, 410],
    handler: async ({ outside }, ctx, { params }) => ({ claim: view(await outside.show(ctx, nameOf(params))) }),
  }),
  defineRoute<QuotaApi>({
    id: 'claims.commit',
    method: 'POST',
    path: `${one}/commit`,
    summary: 'Start a reservation: it no longer runs out',
    policy: 'quota:claim',
    reply: { status: 200 },
    errors: [403, 404, 409, 410],
    handler: async ({ outside }, ctx, { params }) => ({
      claim: view((await outside.commit(ctx, [nameOf(params)]))[0]!),
    }),
  }),
  defineRoute<QuotaApi>({
    id: 'claims.delete',
    method: 'DELETE',
    path: one,
    summary: 'Give a claim back, or give a waiting request up',
    policy: 'quota:claim',
    reply: { status: 204 },
    errors: [403, 404, 410],
    handler: ({ outside }, ctx, { params }) => outside.end(ctx, nameOf(params)),
  }),
]
