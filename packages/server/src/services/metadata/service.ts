/** The metadata service at 169.254.169.254, in OpenStack's and EC2's forms. Its door is in every tenant network. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineService } from '#platform/api-kit/service.ts'
import type { Log } from '#platform/log/log.ts'
import type { ServiceDeps } from '#services/deps.ts'
import type { MetadataFacade } from './facade.ts'
import { Metadata } from './manager/metadata.ts'

const seedBytes = 512

export const metadata = defineService<MetadataFacade, MetadataFacade, ServiceDeps>({
  name: 'metadata',
  about: 'What servers may ask about themselves, at 169.254.169.254',
  level: 7,
  catalog: [],
  prefix: '/metadata',
  versionPath: '',
  faults: 'plain',
  adminRule: 'admin_required',
  routes: [],
  policies: [],
  migrations: [],
  create({ facades, dataDir, log }) {
    const facade = new Metadata({
      nova: facades.nova,
      neutron: facades.neutron,
      vendorData: () => vendorDataIn(join(dataDir, 'vendor_data.json'), log),
      seed: () => randomBytes(seedBytes).toString('base64'),
    })
    return { api: facade, facade, controllers: [] }
  },
})

/** Without the file, or while it is no JSON object, servers are told nothing. */
const vendorDataIn = (file: string, log: Log): Record<string, unknown> => {
  try {
    const data: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Record<string, unknown>
    log.warn({ file }, 'Vendor data must be a JSON object')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ file, err: error }, 'Vendor data cannot be read')
  }
  return {}
}
