/** Key pairs of a user. */
import { isoNaive } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { since, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Keypair } from '../manager/model.ts'
import { atLeast, last, limitOf, nextLinks, refuseUnknown } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Name } from './shapes.ts'

const opt = T.Optional
const many = (version: string) => opt(T.Array(T.String(), since(version)))
const rule = (verb: string) => `os_compute_api:os-keypairs:${verb}`

const KeypairQuery = T.Object(
  { user_id: many('2.10'), limit: many('2.35'), marker: many('2.35') }, { additionalProperties: true },
)
const KeypairBody = Strict({
  keypair: Strict({
    name: Name(),
    public_key: opt(T.String()),
    type: opt(T.Unsafe<'ssh' | 'x509'>({ type: 'string', enum: ['ssh', 'x509'], 'x-since': '2.2' })),
    user_id: opt(T.String(since('2.10', { minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-]*$' }))),
  }),
})

/** Others' pairs are for administrators, from 2.10 on. */
const ownerOf = (ctx: RequestContext, asked: string | undefined, verb: string): string => {
  const userId = (atLeast(ctx, '2.10') && asked) || ctx.userId
  ctx.enforce(rule(verb), { user_id: userId })
  return userId
}

const assertName = (ctx: RequestContext, name: string): void => {
  const allowed = atLeast(ctx, '2.92') ? /^[_\-@. a-zA-Z0-9]+$/ : /^[_\- a-zA-Z0-9]+$/
  if (!allowed.test(name)) throw badRequest(
    `Invalid input for field/attribute name. Value: ${name}. '${name}' does not match '${allowed.source}'`,
    { field: 'name' },
  )
}

const brief = (ctx: RequestContext, keypair: Keypair) => ({
  name: keypair.name, public_key: keypair.publicKey, fingerprint: keypair.fingerprint,
  ...(atLeast(ctx, '2.2') && { type: keypair.type }),
})

const full = (ctx: RequestContext, keypair: Keypair) => ({
  ...brief(ctx, keypair), user_id: keypair.userId, id: keypair.number, created_at: isoNaive(keypair.createdAt),
  deleted: false, deleted_at: null, updated_at: null,
})

const known = (ctx: RequestContext): string[] => ['user_id', ...(atLeast(ctx, '2.35') ? ['limit', 'marker'] : [])]

export const keypairRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof KeypairQuery>({
    id: 'keypairs.list', method: 'GET', path: '/os-keypairs', summary: 'List key pairs', policy: 'authenticated',
    query: KeypairQuery, reply: { status: 200 },
    handler: async (api, ctx, request) => {
      const query = request.query as Query
      refuseUnknown(ctx, query, known(ctx))
      const userId = ownerOf(ctx, last(query, 'user_id'), 'index')
      const paged = atLeast(ctx, '2.35')
      const limit = paged ? limitOf(query) : Number.MAX_SAFE_INTEGER
      const keypairs = await api.keypairs.list(userId, paged ? { limit, marker: last(query, 'marker') } : {})
      const links = nextLinks({ ctx, url: request.url, name: 'keypairs', limit }, keypairs, (keypair) => keypair.name)
      return { keypairs: keypairs.map((keypair) => ({ keypair: brief(ctx, keypair) })), ...links }
    },
  }),
  defineRoute<NovaApi, undefined, typeof KeypairBody>({
    id: 'keypairs.create', method: 'POST', path: '/os-keypairs', summary: 'Make or import a key pair',
    policy: 'authenticated', body: KeypairBody, reply: { status: 201 }, errors: [409],
    handler: async (api, ctx, { body: { keypair: draft } }) => {
      const userId = ownerOf(ctx, draft.user_id, 'create')
      assertName(ctx, draft.name)
      if (atLeast(ctx, '2.92') && draft.public_key === undefined) throw badRequest(
        "Invalid input for field/attribute keypair. 'public_key' is a required property", { field: 'public_key' },
      )
      const made = await api.keypairs.create(ctx, {
        userId, name: draft.name.trim(), type: draft.type ?? 'ssh', publicKey: draft.public_key,
      })
      const body = {
        keypair: {
          ...brief(ctx, made.keypair), user_id: userId, ...(made.privateKey && { private_key: made.privateKey }),
        },
      }
      return reply({ status: atLeast(ctx, '2.2') ? 201 : 200, body })
    },
  }),
  defineRoute<NovaApi, typeof KeypairQuery>({
    id: 'keypairs.show', method: 'GET', path: '/os-keypairs/{name}', summary: 'Show a key pair',
    policy: 'authenticated', query: KeypairQuery, reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params, query }) => {
      refuseUnknown(ctx, query, ['user_id'])
      const userId = ownerOf(ctx, last(query as Query, 'user_id'), 'show')
      return { keypair: full(ctx, await api.keypairs.fetch(userId, params.name!)) }
    },
  }),
  defineRoute<NovaApi, typeof KeypairQuery>({
    id: 'keypairs.delete', method: 'DELETE', path: '/os-keypairs/{name}', summary: 'Delete a key pair',
    policy: 'authenticated', query: KeypairQuery, reply: { status: 204 }, errors: [404],
    handler: async (api, ctx, { params, query }) => {
      refuseUnknown(ctx, query, ['user_id'])
      await api.keypairs.delete(ownerOf(ctx, last(query as Query, 'user_id'), 'delete'), params.name!)
      return reply({ status: atLeast(ctx, '2.2') ? 204 : 202 })
    },
  }),
]
