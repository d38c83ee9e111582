/** `POST …/action`: one route whose body's single key names the verb; each verb keeps its own policy and window. */
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { RequestContext } from '../auth/context.ts'
import { defineRoute, Reply, type Action, type ApiRequest, type Route } from './route.ts'
import { T } from './schema.ts'
import { isWithin } from './versions.ts'
import { VersionedValidator } from './validation.ts'
import { cutFor } from './windows.ts'

const validators = new WeakMap<Action<any>, VersionedValidator>()

const validatorOf = (action: Action<any>): VersionedValidator | undefined => {
  if (!action.body) return undefined
  let validator = validators.get(action)
  if (!validator) validators.set(action, (validator = new VersionedValidator(action.body, 'body')))
  return validator
}

const choose = <S>(
  actions: readonly Action<S>[],
  body: Record<string, unknown> | undefined,
  version: string,
): Action<S> => {
  const keys = Object.keys(body ?? {})
  if (keys.length !== 1) throw badRequest('The request body must have exactly one key: the name of the action')
  const named = actions.filter((action) => action.key === keys[0])
  if (!named.length) throw badRequest(`There is no such action: ${keys[0]}`)
  const open = named.find((action) => isWithin(version, action))
  if (!open) throw notFound('The resource could not be found.')
  return open
}

/** Runs one verb: policy, body, handler, view; the same steps as a route's own. */
const run = async <S>(
  action: Action<S>,
  api: S,
  context: RequestContext,
  request: ApiRequest<any, any>,
): Promise<Reply> => {
  context.enforce(action.policy)
  const given = (request.body as Record<string, unknown>)[action.key]
  validatorOf(action)?.check(given, context.version)
  const body = action.up ? action.up(given, context.version) : given
  const { params, headers, url } = request
  const result = await action.handler(api, context, { params, body, headers, url })
  const answer = result instanceof Reply ? result : new Reply({ body: result })
  const cut = cutFor(action.reply?.schema, context.version)
  const view = cut && answer.body !== undefined ? cut(answer.body) : answer.body
  return new Reply({
    status: answer.status ?? action.reply?.status ?? 202,
    headers: answer.headers,
    body: action.down && view !== undefined ? action.down(view, context.version) : view,
  })
}

export const actionRoute = <S>(options: {
  id: string
  path: string
  summary: string
  actions: readonly Action<S>[]
  errors?: number[]
}): Route<S> => {
  const { actions, ...rest } = options
  return defineRoute<S, undefined, any>({
    ...rest,
    actions,
    method: 'POST',
    policy: 'authenticated',
    reply: { status: 202 },
    body: T.Object({}, { additionalProperties: true, minProperties: 1 }),
    handler: (api, context, request) =>
      run(choose(actions, request.body as any, context.version), api, context, request),
  })
}
