/** The version documents: the list at the service's root, and the one version at its own. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { notFound } from '#platform/errors/errors.ts'
import { bookmarkBase } from './manners.ts'
import type { NovaApi } from './nova-api.ts'

export const versionMin = '2.1'
export const versionMax = '2.96'

interface VersionFacts {
  id: string
  path: string
  status: string
  version: string
  min_version: string
  updated: string
  mediaType: string
}

const known: VersionFacts[] = [
  {
    id: 'v2.0', path: 'v2', status: 'DEPRECATED', version: '', min_version: '', updated: '2011-01-21T11:33:21Z',
    mediaType: 'application/vnd.openstack.compute+json;version=2',
  },
  {
    id: 'v2.1', path: 'v2.1', status: 'CURRENT', version: versionMax, min_version: versionMin,
    updated: '2013-07-23T11:33:21Z',
    mediaType: 'application/vnd.openstack.compute+json;version=2.1',
  },
]

const selfLink = (ctx: RequestContext, facts: VersionFacts) =>
  ({ rel: 'self', href: `${bookmarkBase(ctx)}/${facts.path}/` })

const summary = (ctx: RequestContext, facts: VersionFacts) => {
  const { id, status, version, min_version, updated } = facts
  return { id, status, version, min_version, updated, links: [selfLink(ctx, facts)] }
}

const mediaTypes = (facts: VersionFacts) => [{ base: 'application/json', type: facts.mediaType }]

const document = (ctx: RequestContext, facts: VersionFacts) => {
  const { path: _, mediaType: __, ...rest } = facts
  const described = { rel: 'describedby', type: 'text/html', href: 'http://docs.openstack.org/' }
  return { version: { ...rest, links: [selfLink(ctx, facts), described], 'media-types': mediaTypes(facts) } }
}

export const versionRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'versions.list', method: 'GET', path: '/', at: 'root', summary: 'List the versions of the API', policy: 'open',
    reply: { status: 200 },
    handler: (_, ctx) => ({ versions: known.map((facts) => summary(ctx, facts)) }),
  }),
  defineRoute<NovaApi>({
    id: 'versions.show', method: 'GET', path: '/', summary: 'Show this version of the API', policy: 'open',
    reply: { status: 200 },
    handler: (_, ctx) => document(ctx, known[1]!),
  }),
  defineRoute<NovaApi>({
    id: 'versions.fetch', method: 'GET', path: '/versions/{id}', summary: 'Show one version of the API', policy: 'open',
    reply: { status: 200 }, errors: [404],
    handler: (_, ctx, request) => {
      const facts = known.find((one) => one.id === request.params.id)
      if (!facts) throw notFound('The resource could not be found.')
      return document(ctx, facts)
    },
  }),
  defineRoute<NovaApi>({
    id: 'versions.legacy', method: 'GET', path: '/v2', at: 'root', summary: 'Show the version of old', policy: 'open',
    reply: { status: 200 },
    handler: (_, ctx) => document(ctx, known[0]!),
  }),
]
