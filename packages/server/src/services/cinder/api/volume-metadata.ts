/** Routes of metadata: of volumes and of snapshots, all of it or key by key. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, type Method, type Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { CinderApi } from './cinder-api.ts'
import { MetadataBody, Pairs, pairs } from './shapes.ts'

type Metadata = Record<string, string>

/** A thing with metadata. */
interface Keeper {
  word: 'volume' | 'snapshot'
  path: string
  read(cinder: CinderApi, ctx: RequestContext, id: string): Promise<Metadata>
  write(
    cinder: CinderApi,
    ctx: RequestContext,
    id: string,
    how: { metadata: Metadata; replace: boolean; rule?: string },
  ): Promise<Metadata>
  remove(cinder: CinderApi, ctx: RequestContext, id: string, key: string): Promise<void>
}

const volumes: Keeper = {
  word: 'volume',
  path: '/volumes/{volume_id}/metadata',
  read: async ({ volumes: manager }, ctx, id) => (await manager.show(ctx, id)).volume.metadata,
  write: ({ volumes: manager }, ctx, id, { metadata, ...how }) => manager.metadataSet(ctx, id, metadata, how),
  remove: ({ volumes: manager }, ctx, id, key) => manager.metadataDelete(ctx, id, key),
}

const snapshots: Keeper = {
  word: 'snapshot',
  path: '/snapshots/{snapshot_id}/metadata',
  read: async ({ snapshots: manager }, ctx, id) => (await manager.show(ctx, id)).metadata,
  write: ({ snapshots: manager }, ctx, id, { metadata, replace }) =>
    manager.metadataSet(ctx, id, metadata, { replace }),
  remove: ({ snapshots: manager }, ctx, id, key) => manager.metadataDelete(ctx, id, key),
}

const OneBody = Strict({ meta: Pairs })

const oneOf = (key: string, meta: Metadata): Metadata => {
  if (Object.keys(meta).length !== 1) throw badRequest('Request body contains too many items', { field: 'meta' })
  if (!Object.hasOwn(meta, key)) throw badRequest('Request body and URI mismatch', { field: 'meta' })
  return meta
}

const writeAll = (keeper: Keeper, method: Method, replace: boolean): Route<CinderApi> =>
  defineRoute<CinderApi, undefined, typeof MetadataBody>({
    id: `${keeper.word}Metadata.${replace ? 'replace' : 'add'}`,
    method,
    path: keeper.path,
    summary: `${replace ? 'Replace' : 'Add to'} the metadata of a ${keeper.word}`,
    policy: 'authenticated',
    body: MetadataBody,
    reply: { status: 200, schema: T.Object({ metadata: T.Object({}) }) },
    errors: [404],
    handler: async (cinder, ctx, { params, body }) => ({
      metadata: await keeper.write(cinder, ctx, params[`${keeper.word}_id`]!, {
        metadata: pairs(body.metadata),
        replace,
      }),
    }),
  })

const routesOf = (keeper: Keeper): Route<CinderApi>[] => {
  const { word, path } = keeper
  const idOf = (params: Record<string, string>) => params[`${word}_id`]!
  return [
    defineRoute<CinderApi>({
      id: `${word}Metadata.list`,
      method: 'GET',
      path,
      summary: `Show the metadata of a ${word}`,
      policy: 'authenticated',
      reply: { status: 200 },
      errors: [404],
      handler: async (cinder, ctx, { params }) => ({ metadata: await keeper.read(cinder, ctx, idOf(params)) }),
    }),
    writeAll(keeper, 'POST', false),
    writeAll(keeper, 'PUT', true),
    defineRoute<CinderApi>({
      id: `${word}Metadata.show`,
      method: 'GET',
      path: `${path}/{key}`,
      summary: `Show one key of the metadata of a ${word}`,
      policy: 'authenticated',
      reply: { status: 200 },
      errors: [404],
      handler: async (cinder, ctx, { params }) => {
        const value = (await keeper.read(cinder, ctx, idOf(params)))[params.key!]
        if (value === undefined) throw notFound(`Metadata item was not found: ${params.key}`)
        return { meta: { [params.key!]: value } }
      },
    }),
    defineRoute<CinderApi, undefined, typeof OneBody>({
      id: `${word}Metadata.set`,
      method: 'PUT',
      path: `${path}/{key}`,
      summary: `Set one key of the metadata of a ${word}`,
      policy: 'authenticated',
      body: OneBody,
      reply: { status: 200 },
      errors: [404],
      handler: async (cinder, ctx, { params, body }) => {
        const meta = oneOf(params.key!, pairs(body.meta))
        await keeper.write(cinder, ctx, idOf(params), { metadata: meta, replace: false })
        return { meta }
      },
    }),
    defineRoute<CinderApi>({
      id: `${word}Metadata.delete`,
      method: 'DELETE',
      path: `${path}/{key}`,
      summary: `Delete one key of the metadata of a ${word}`,
      policy: 'authenticated',
      reply: { status: 200 },
      errors: [404],
      handler: (cinder, ctx, { params }) => keeper.remove(cinder, ctx, idOf(params), params.key!),
    }),
  ]
}

export const metadataRoutes: Route<CinderApi>[] = [...routesOf(volumes), ...routesOf(snapshots)]
