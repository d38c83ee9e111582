/** openapi/<service>.json: each service's API at its newest version, read off its routes. */
import { services } from '../../packages/server/src/app/services.ts'
import { openapiOf } from '../../packages/server/src/platform/api-kit/openapi.ts'
import type { Generated } from './generated.ts'

export const openapiFiles: readonly Generated[] = services
  .filter(({ routes }) => routes.length > 0)
  .map((service) => ({
    path: `openapi/${service.name}.json`,
    make: () => `${JSON.stringify(openapiOf(service), null, 1)}\n`,
  }))
