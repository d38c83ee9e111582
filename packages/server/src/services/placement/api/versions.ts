/** The one version document: public, and its link is this very address. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Managers } from '../manager/managers.ts'
import { fresh } from './answers.ts'

export const microversions = { service: 'placement', min: '1.0', max: '1.39' }

export const versionRoutes = [
  defineRoute({
    id: 'versions.list',
    method: 'GET',
    path: '/',
    at: 'root',
    summary: 'Show the version',
    policy: 'open',
    reply: { status: 200 },
    handler: (api: Managers, ctx) =>
      fresh(api, ctx, {
        versions: [
          {
            id: `v${microversions.min}`,
            min_version: microversions.min,
            max_version: microversions.max,
            status: 'CURRENT',
            links: [{ rel: 'self', href: '' }],
          },
        ],
      }),
  }),
]
