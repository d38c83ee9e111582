/** Routes of a project's own default type (3.62), and of encryption, which is not kept. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest, isRefusal, notFound } from '#platform/errors/errors.ts'
import type { CinderApi } from './cinder-api.ts'
import { Anything } from './shapes.ts'

const Body = Strict({ default_type: Strict({ volume_type: T.String({ minLength: 1, maxLength: 255 }) }) })
const path = '/default-types/{project_id}'
const view = (projectId: string, typeId: string) => ({ project_id: projectId, volume_type_id: typeId })

const assertProject = async ({ keystone }: CinderApi, projectId: string): Promise<void> => {
  if (!(await keystone.projectFetch(projectId))) throw notFound(`Project with id ${projectId} could not be found.`)
}

const setDefault = async (
  cinder: CinderApi,
  ctx: RequestContext,
  projectId: string,
  type: string,
): Promise<string> => {
  await assertProject(cinder, projectId)
  try {
    return await cinder.types.defaultSet(ctx, projectId, type)
  } catch (error) {
    if (isRefusal(error) && error.kind === 'notFound')
      throw badRequest(error.message, { field: 'volume_type' }, error)
    throw error
  }
}

export const defaultTypeRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'defaultTypes.list',
    method: 'GET',
    path: '/default-types',
    summary: 'List the default types of projects',
    policy: 'volume_extension:default_get_all',
    since: '3.62',
    reply: { status: 200 },
    handler: async (cinder) => ({
      default_types: (await cinder.types.defaultsList()).map(({ projectId, typeId }) => view(projectId, typeId)),
    }),
  }),
  defineRoute<CinderApi>({
    id: 'defaultTypes.show',
    method: 'GET',
    path,
    summary: "Show a project's default type",
    policy: 'volume_extension:default_get',
    since: '3.62',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, _ctx, { params }) => {
      await assertProject(cinder, params.project_id!)
      return { default_type: view(params.project_id!, await cinder.types.defaultOf(params.project_id!)) }
    },
  }),
  defineRoute<CinderApi, undefined, typeof Body>({
    id: 'defaultTypes.set',
    method: 'PUT',
    path,
    summary: "Set a project's default type",
    policy: 'volume_extension:default_set_or_update',
    since: '3.62',
    body: Body,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params, body }) => ({
      default_type: view(
        params.project_id!,
        await setDefault(cinder, ctx, params.project_id!, body.default_type.volume_type),
      ),
    }),
  }),
  defineRoute<CinderApi>({
    id: 'defaultTypes.unset',
    method: 'DELETE',
    path,
    summary: 'Go back to the default type of the cloud',
    policy: 'volume_extension:default_unset',
    since: '3.62',
    reply: { status: 204 },
    handler: (cinder, _ctx, { params }) => cinder.types.defaultUnset(params.project_id!),
  }),
]

const encryptionPath = '/types/{type_id}/encryption'

/** Volumes lie on their host as they are: a type that promised more would lie. */
export const encryptionRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'typeEncryption.show',
    method: 'GET',
    path: encryptionPath,
    summary: 'Show how volumes of a type are encrypted: not at all',
    policy: 'volume_extension:volume_type_encryption:get',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => {
      await cinder.types.fetch(ctx, params.type_id!)
      return {}
    },
  }),
  defineRoute<CinderApi, undefined, typeof Anything>({
    id: 'typeEncryption.create',
    method: 'POST',
    path: encryptionPath,
    summary: 'Refuses: volumes are not encrypted here',
    policy: 'volume_extension:volume_type_encryption:create',
    body: Anything,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => {
      await cinder.types.fetch(ctx, params.type_id!)
      throw badRequest('Volumes are not encrypted by this cloud: encrypt the disk of its hosts instead.', {
        reason: 'ABSENT',
      })
    },
  }),
  defineRoute<CinderApi>({
    id: 'volumes.encryption',
    method: 'GET',
    path: '/volumes/{volume_id}/encryption',
    summary: 'Show how a volume is encrypted: not at all',
    policy: 'volume_extension:volume_encryption_metadata',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => {
      await cinder.volumes.show(ctx, params.volume_id!)
      return { encryption_key_id: null }
    },
  }),
]
