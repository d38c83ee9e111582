/** Glance: images, their bytes, and who may use them. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import { dataRoutes } from './api/data.ts'
import type { GlanceApi } from './api/glance-api.ts'
import { imageRoutes } from './api/images.ts'
import { importRoutes } from './api/imports.ts'
import { memberRoutes } from './api/members.ts'
import { schemaRoutes } from './api/schemas.ts'
import { versionRoutes } from './api/versions.ts'
import { runImports } from './controllers/run-imports.ts'
import { tidyData } from './controllers/tidy-data.ts'
import type { GlanceFacade } from './facade.ts'
import { ImageData } from './manager/data.ts'
import { GlanceFront } from './manager/glance-facade.ts'
import { ImageQuota } from './manager/image-quota.ts'
import { Images, type GlanceParts } from './manager/images.ts'
import { Imports } from './manager/imports.ts'
import { Members } from './manager/members.ts'
import { policies } from './policies.ts'
import type { GlancePorts } from './ports.ts'
import { migrations } from './store/migrations.ts'

export const glance = defineService<GlanceApi, GlanceFacade, ServiceDeps>({
  name: 'glance',
  about: 'Images, their bytes, and who may use them',
  level: 3,
  catalog: [{ type: 'image', name: 'glance', path: '/image' }],
  prefix: '/image',
  versionPath: '/v2',
  strictSlash: true,
  faults: 'glance',
  adminRule: 'context_is_admin',
  policies,
  migrations,
  routes: [...versionRoutes, ...imageRoutes, ...dataRoutes, ...memberRoutes, ...importRoutes, ...schemaRoutes],
  create: ({ db, clock, log, config, facades }) => {
    const unsizedUploads = config.unsizedUploads === 'finish' ? 'finish' : 'refuse'
    const parts: GlanceParts = { db, clock, ports: config.ports as GlancePorts, facades, unsizedUploads }
    const quota = new ImageQuota(parts)
    const data = new ImageData(parts, quota)
    return {
      api: {
        images: new Images(parts, quota),
        data,
        members: new Members(parts),
        imports: new Imports(parts, quota),
        usage: (projectId) => quota.usage(projectId),
      },
      facade: new GlanceFront(parts, data, quota),
      controllers: [runImports({ ...parts, data, quota, log }), tidyData({ ...parts, data })],
      seed: () => quota.declare(),
    }
  },
})
