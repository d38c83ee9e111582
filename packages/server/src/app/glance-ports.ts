/** What Glance gets from outside: files for bytes, Docker's eye for image tars, HTTP and registries as sources. */
import { join } from 'node:path'
import { inspectImageTar } from '#drivers/docker/image-tar.ts'
import { createBlobFiles } from '#drivers/objects-fs/blob-files.ts'
import { registryDownload } from '#drivers/registry/skopeo.ts'
import { webDownload } from '#drivers/registry/web-download.ts'
import type { GlancePorts } from '#services/glance/ports.ts'

export const glancePorts = (dataDir: string): GlancePorts => ({
  blobs: createBlobFiles(join(dataDir, 'glance', 'images')),
  inspector: { inspect: inspectImageTar },
  sources: { 'web-download': webDownload, 'docker-registry': registryDownload },
})
