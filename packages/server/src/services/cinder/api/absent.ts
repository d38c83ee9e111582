/** What upstream has and this cloud does not: lists are empty, and making one is refused with the reason. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { CinderApi } from './cinder-api.ts'
import { AnyQuery } from './manners.ts'
import { Anything } from './shapes.ts'

interface Absent {
  /** `groups`: the collection, and the key of its list. */
  path: string
  key: string
  word: string
  reason: string
  since?: string
  listPolicy: string
}

const all: Absent[] = [
  {
    path: '/groups',
    key: 'groups',
    word: 'Group',
    reason: 'Groups of volumes are not kept here.',
    since: '3.13',
    listPolicy: 'volume:get_all',
  },
  {
    path: '/group_snapshots',
    key: 'group_snapshots',
    word: 'GroupSnapshot',
    reason: 'Groups of volumes are not kept here.',
    since: '3.14',
    listPolicy: 'volume:get_all',
  },
  {
    path: '/group_types',
    key: 'group_types',
    word: 'Group type',
    reason: 'Groups of volumes are not kept here.',
    since: '3.11',
    listPolicy: 'volume:get_all',
  },
  {
    path: '/clusters',
    key: 'clusters',
    word: 'Cluster',
    reason: 'Hosts keep their own volumes and stand in no clusters.',
    since: '3.7',
    listPolicy: 'volume_extension:services:index',
  },
]

const routesOf = ({ path, key, word, reason, since, listPolicy }: Absent): Route<CinderApi>[] => {
  const window = since === undefined ? {} : { since }
  const list = (id: string, at: string) =>
    defineRoute<CinderApi, typeof AnyQuery>({
      id: `${key}.${id}`,
      method: 'GET',
      path: at,
      summary: `List ${key}: there are none`,
      policy: listPolicy,
      ...window,
      query: AnyQuery,
      reply: { status: 200 },
      handler: () => ({ [key]: [] }),
    })
  return [
    list('list', path),
    list('detail', `${path}/detail`),
    defineRoute<CinderApi, undefined, typeof Anything>({
      id: `${key}.create`,
      method: 'POST',
      path,
      summary: `Refuses: ${reason}`,
      policy: listPolicy,
      ...window,
      body: Anything,
      reply: { status: 202 },
      handler: () => {
        throw badRequest(reason, { reason: 'ABSENT' })
      },
    }),
    defineRoute<CinderApi>({
      id: `${key}.show`,
      method: 'GET',
      path: `${path}/{id}`,
      summary: 'There are none',
      policy: listPolicy,
      ...window,
      reply: { status: 200 },
      errors: [404],
      handler: (_cinder, _ctx, { params }) => {
        throw notFound(`${word} ${params.id} could not be found.`)
      },
    }),
  ]
}

export const absentRoutes: Route<CinderApi>[] = all.flatMap(routesOf)
