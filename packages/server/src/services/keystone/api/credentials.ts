/** Credentials, and the EC2 key pairs among them. */
import { T } from '#platform/api-kit/schema.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { forbidden } from '#platform/errors/errors.ts'
import { ec2CredentialId, type CredentialChanges, type Ec2Pair } from '../manager/credentials.ts'
import type { Managers } from '../manager/managers.ts'
import type { Credential } from '../store/tables.ts'
import { extraOf, id, nullableId, openBody, optional, someOf } from './fields.ts'
import { collection, filtered, withLinks, type View } from './views.ts'

const own = ['user_id', 'project_id', 'type', 'blob']
const fields = {
  project_id: nullableId, user_id: id, type: T.String({ minLength: 1, maxLength: 255 }), blob: T.String(),
}
const createBody = openBody('credential', {
  ...optional({ project_id: nullableId, user_id: id }), type: fields.type, blob: fields.blob,
})
const updateBody = openBody('credential', optional(fields))
const ec2CreateBody = T.Object({ tenant_id: id }, { additionalProperties: true })

const changesOf = (body: object): CredentialChanges => {
  const { user_id, project_id, type, blob } = body as CredentialChanges
  return {
    ...(user_id !== undefined && { user_id }), ...(project_id !== undefined && { project_id }),
    ...(type !== undefined && { type }), ...(blob !== undefined && { blob }), extra: extraOf(body, own),
  }
}

const view = (ctx: RequestContext, credential: Credential): View => withLinks(ctx, `/credentials/${credential.id}`, {
  ...credential.extra, id: credential.id, user_id: credential.user_id, project_id: credential.project_id,
  type: credential.type, blob: credential.blob,
})

const targetOf = (owner: { user_id: string } | undefined) => (owner ? { target: { credential: {
  user_id: owner.user_id,
} } } : {})

/** A delegated token reaches the credentials of its own project only. */
const refuseDelegated = (ctx: RequestContext, projectId: string | null | undefined): void => {
  const isDelegated = ctx.token.trust !== undefined || ctx.token.applicationCredential !== undefined
  if (isDelegated && projectId !== ctx.projectId) {
    throw forbidden(
      'You are not authorized to perform the requested action: credential project does not match the project'
        + ' scope of the delegated token.'
    )
  }
}

const guarded = async (api: Managers, ctx: RequestContext, rule: string, credentialId: string): Promise<void> => {
  const credential = await api.credentials.find(credentialId)
  ctx.enforce(rule, targetOf(credential))
  if (credential) refuseDelegated(ctx, credential.project_id)
}

const credentials = [
  defineRoute({
    id: 'credentials.list', method: 'GET', path: '/credentials', summary: 'List credentials', policy: 'authenticated',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const found = await api.credentials.list()
      const seen = found.filter((one) => ctx.can('identity:get_credential', targetOf(one)))
      return collection(
        { ctx, request, key: 'credentials' },
        filtered(seen.map((one) => view(ctx, one)), request.query, ['user_id', 'type']),
      )
    },
  }),
  defineRoute({
    id: 'credentials.create', method: 'POST', path: '/credentials', summary: 'Create a credential',
    policy: 'authenticated', body: createBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) => {
      const wanted = body.credential as { user_id?: string; project_id?: string | null; type: string; blob: string }
      const owner = wanted.user_id ?? ctx.userId
      ctx.enforce('identity:create_credential', targetOf({ user_id: owner }))
      refuseDelegated(ctx, wanted.project_id)
      return { credential: view(
        ctx, await api.credentials.create({ ...changesOf(wanted), ...wanted, user_id: owner }),
      ) }
    },
  }),
  defineRoute({
    id: 'credentials.show', method: 'GET', path: '/credentials/{credential_id}', summary: 'Show a credential',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { credential_id: credentialId = '' } }) => {
      await guarded(api, ctx, 'identity:get_credential', credentialId)
      return { credential: view(ctx, await api.credentials.fetch(credentialId)) }
    },
  }),
  defineRoute({
    id: 'credentials.update', method: 'PATCH', path: '/credentials/{credential_id}', summary: 'Change a credential',
    policy: 'authenticated', body: updateBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { credential_id: credentialId = '' }, body }) => {
      await guarded(api, ctx, 'identity:update_credential', credentialId)
      const changes = changesOf(someOf(body.credential))
      if (changes.user_id !== undefined) {
        ctx.enforce(
          'identity:update_credential', targetOf({ user_id: changes.user_id }),
        )
      }
      return { credential: view(ctx, await api.credentials.update(credentialId, changes)) }
    },
  }),
  defineRoute({
    id: 'credentials.delete', method: 'DELETE', path: '/credentials/{credential_id}', summary: 'Delete a credential',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { credential_id: credentialId = '' } }) => {
      await guarded(api, ctx, 'identity:delete_credential', credentialId)
      await api.credentials.remove(credentialId)
    },
  }),
]

const pairView = (ctx: RequestContext, pair: Ec2Pair): View => withLinks(
  ctx, `/users/${pair.user_id}/credentials/OS-EC2/${pair.access}`, { ...pair },
)

/** Unlike elsewhere, a key pair that does not exist is not found for anybody: clients rely on it. */
const ec2Guarded = async (api: Managers, ctx: RequestContext, rule: string, access: string): Promise<void> => {
  const credential = await api.credentials.fetch(ec2CredentialId(access))
  ctx.enforce(rule, targetOf(credential))
  refuseDelegated(ctx, credential.project_id)
}

const ec2 = [
  defineRoute({
    id: 'ec2Credentials.list', method: 'GET', path: '/users/{user_id}/credentials/OS-EC2',
    summary: 'List EC2 credentials', policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const userId = request.params.user_id ?? ''
      ctx.enforce('identity:ec2_list_credentials', { user_id: userId })
      return collection(
        { ctx, request, key: 'credentials' },
        (await api.credentials.listEc2(userId)).map((pair) => pairView(ctx, pair)),
      )
    },
  }),
  defineRoute({
    id: 'ec2Credentials.create', method: 'POST', path: '/users/{user_id}/credentials/OS-EC2',
    summary: 'Create an EC2 credential', policy: 'authenticated', body: ec2CreateBody, reply: { status: 201 },
    errors: [404],
    handler: async (api: Managers, ctx, { params: { user_id: userId = '' }, body }) => {
      ctx.enforce('identity:ec2_create_credential', targetOf({ user_id: userId }))
      refuseDelegated(ctx, body.tenant_id)
      return { credential: pairView(ctx, await api.credentials.createEc2(userId, body.tenant_id)) }
    },
  }),
  defineRoute({
    id: 'ec2Credentials.show', method: 'GET', path: '/users/{user_id}/credentials/OS-EC2/{credential_id}',
    summary: 'Show an EC2 credential', policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { credential_id: access = '' } }) => {
      await ec2Guarded(api, ctx, 'identity:ec2_get_credential', access)
      return { credential: pairView(ctx, await api.credentials.fetchEc2(access)) }
    },
  }),
  defineRoute({
    id: 'ec2Credentials.delete', method: 'DELETE', path: '/users/{user_id}/credentials/OS-EC2/{credential_id}',
    summary: 'Delete an EC2 credential', policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { credential_id: access = '' } }) => {
      await ec2Guarded(api, ctx, 'identity:ec2_delete_credential', access)
      await api.credentials.remove(ec2CredentialId(access))
    },
  }),
]

export const credentialRoutes = [...credentials, ...ec2]
