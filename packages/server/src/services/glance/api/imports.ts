/** Routes of interoperable import, tasks and discovery information. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { T } from '#platform/api-kit/schema.ts'
import { importMethods } from '../manager/imports.ts'
import type { GlanceApi } from './glance-api.ts'
import { taskView } from './views.ts'

const ImportBody = T.Object({
  method: T.Object({
    name: T.Enum([...importMethods]),
    uri: T.Optional(T.String({ maxLength: 4096 })),
    reference: T.Optional(T.String({ maxLength: 1024 })),
  }),
})

export const importRoutes: Route<GlanceApi>[] = [
  defineRoute({
    id: 'images.import',
    method: 'POST',
    path: '/images/{image_id}/import',
    summary: 'Import staged, remote or registry data',
    policy: 'modify_image',
    body: ImportBody,
    reply: { status: 202 },
    errors: [404, 409, 413],
    handler: async (glance: GlanceApi, ctx, { params, body }) => {
      await glance.imports.begin(ctx, params.image_id!, body.method)
    },
  }),
  defineRoute<GlanceApi>({
    id: 'info.import',
    method: 'GET',
    path: '/info/import',
    summary: 'Import methods',
    policy: 'authenticated',
    reply: { status: 200 },
    handler: () => ({
      'import-methods': { description: 'Import methods available.', type: 'array', value: [...importMethods] },
    }),
  }),
  defineRoute<GlanceApi>({
    id: 'info.usage',
    method: 'GET',
    path: '/info/usage',
    summary: "The project's quota of images and what it uses, sizes in MiB",
    policy: 'authenticated',
    reply: { status: 200 },
    handler: async (glance, ctx) => ({ usage: await glance.usage(ctx.projectId) }),
  }),
  defineRoute<GlanceApi>({
    id: 'images.tasks',
    method: 'GET',
    path: '/images/{image_id}/tasks',
    summary: 'Tasks of an image',
    policy: 'get_image',
    reply: { status: 200 },
    errors: [404],
    handler: async (glance, ctx, { params }) => ({
      tasks: (await glance.imports.ofImage(ctx, params.image_id!)).map(taskView),
    }),
  }),
  defineRoute<GlanceApi>({
    id: 'tasks.list',
    method: 'GET',
    path: '/tasks',
    summary: 'List import tasks',
    policy: 'tasks_api_access',
    reply: { status: 200 },
    handler: async (glance, ctx) => ({
      tasks: (await glance.imports.list(ctx)).map(taskView),
      first: '/v2/tasks',
      schema: '/v2/schemas/tasks',
    }),
  }),
  defineRoute<GlanceApi>({
    id: 'tasks.show',
    method: 'GET',
    path: '/tasks/{task_id}',
    summary: 'Show an import task',
    policy: 'tasks_api_access',
    reply: { status: 200 },
    errors: [404],
    handler: async (glance, ctx, { params }) => taskView(await glance.imports.fetch(ctx, params.task_id!)),
  }),
]
