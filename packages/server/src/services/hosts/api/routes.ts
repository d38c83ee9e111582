/** The operator's view of hosts and of the tokens by which they join. */
import { oneVersionRoute } from '#platform/api-kit/one-version.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import type { Roster } from '../manager/roster.ts'

const hostName = T.String({ minLength: 1, maxLength: 63, pattern: '^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$' })
const draft = Strict({
  host: T.Optional(hostName),
  hours: T.Optional(T.Integer({ minimum: 1, maximum: 87_600 })),
})

export const routes: Route<Roster>[] = [
  oneVersionRoute<Roster>('v1'),
  defineRoute<Roster>({
    id: 'hosts.list',
    method: 'GET',
    path: '/hosts',
    summary: 'List hosts that joined, with their state',
    policy: 'hosts:show',
    reply: { status: 200 },
    handler: async (roster) => ({ hosts: await roster.hosts() }),
  }),
  defineRoute<Roster>({
    id: 'hosts.forget',
    method: 'DELETE',
    path: '/hosts/{name}',
    summary: 'Let another machine take the name of a host that is gone',
    policy: 'hosts:change',
    reply: { status: 204 },
    errors: [404, 409],
    handler: (roster, _ctx, { params }) => roster.forget(params.name!),
  }),
  defineRoute<Roster>({
    id: 'tokens.list',
    method: 'GET',
    path: '/tokens',
    summary: 'List tokens, without their secrets',
    policy: 'hosts:show',
    reply: { status: 200 },
    handler: async (roster) => ({ tokens: await roster.tokens() }),
  }),
  defineRoute({
    id: 'tokens.create',
    method: 'POST',
    path: '/tokens',
    summary: 'Make a token by which an agent may join; its text is shown this once',
    policy: 'hosts:change',
    body: Strict({ token: draft }),
    reply: { status: 201 },
    handler: async (roster: Roster, _ctx, { body }) => ({
      token: await roster.tokenCreate({ hostName: body.token.host, hours: body.token.hours }),
    }),
  }),
  defineRoute<Roster>({
    id: 'tokens.revoke',
    method: 'DELETE',
    path: '/tokens/{token_id}',
    summary: 'Revoke a token: what it let in is shut out',
    policy: 'hosts:change',
    reply: { status: 204 },
    errors: [404],
    handler: (roster, _ctx, { params }) => roster.tokenRevoke(params.token_id!),
  }),
]
