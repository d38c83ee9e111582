/** Routes of image members. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { T } from '#platform/api-kit/schema.ts'
import type { GlanceApi } from './glance-api.ts'
import { memberView } from './views.ts'

const one = '/images/{image_id}/members/{member_id}'

export const memberRoutes: Route<GlanceApi>[] = [
  defineRoute({
    id: 'members.create',
    method: 'POST',
    path: '/images/{image_id}/members',
    summary: 'Share an image with a project',
    policy: 'add_member',
    body: T.Object({ member: T.String({ minLength: 1, maxLength: 255 }) }),
    reply: { status: 200 },
    errors: [403, 404, 409],
    handler: async (glance: GlanceApi, ctx, { params, body }) =>
      memberView(await glance.members.add(ctx, params.image_id!, body.member)),
  }),
  defineRoute<GlanceApi>({
    id: 'members.list',
    method: 'GET',
    path: '/images/{image_id}/members',
    summary: 'List members',
    policy: 'get_members',
    reply: { status: 200 },
    errors: [403, 404],
    handler: async (glance, ctx, { params }) => ({
      members: (await glance.members.list(ctx, params.image_id!)).map(memberView),
      schema: '/v2/schemas/members',
    }),
  }),
  defineRoute<GlanceApi>({
    id: 'members.show',
    method: 'GET',
    path: one,
    summary: 'Show a member',
    policy: 'get_member',
    reply: { status: 200 },
    errors: [403, 404],
    handler: async (glance, ctx, { params }) =>
      memberView(await glance.members.fetch(ctx, params.image_id!, params.member_id!)),
  }),
  defineRoute({
    id: 'members.update',
    method: 'PUT',
    path: one,
    summary: 'Accept or reject a shared image',
    policy: 'modify_member',
    body: T.Object({ status: T.Enum(['pending', 'accepted', 'rejected']) }),
    reply: { status: 200 },
    errors: [403, 404],
    handler: async (glance: GlanceApi, ctx, { params, body }) =>
      memberView(await glance.members.decide(ctx, params.image_id!, params.member_id!, body.status)),
  }),
  defineRoute<GlanceApi>({
    id: 'members.delete',
    method: 'DELETE',
    path: one,
    summary: 'Stop sharing with a project',
    policy: 'delete_member',
    reply: { status: 204 },
    errors: [403, 404],
    handler: (glance, ctx, { params }) => glance.members.remove(ctx, params.image_id!, params.member_id!),
  }),
]
