/** Neutron: networks, their addresses, and what may pass between them. */
import { readFileSync } from 'node:fs'
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import type { NeutronApi } from './api/neutron-api.ts'
import { extensionRoutes } from './api/extensions.ts'
import { floatingIpRoutes } from './api/floating-ips.ts'
import { networkRoutes } from './api/networks.ts'
import { operationRoutes } from './api/operations.ts'
import { portForwardingRoutes } from './api/port-forwardings.ts'
import { portRoutes } from './api/ports.ts'
import { quotaRoutes } from './api/quotas.ts'
import { routerRoutes } from './api/routers.ts'
import { securityGroupRoutes } from './api/security-groups.ts'
import { sharingRoutes } from './api/sharing.ts'
import { subnetRoutes } from './api/subnets.ts'
import { tagRoutes } from './api/tags.ts'
import { versionRoutes } from './api/versions.ts'
import { SyncMemory, syncHost, watchHosts } from './controllers/sync-host.ts'
import type { NeutronFacade } from './facade.ts'
import { createManagers } from './manager/managers.ts'
import { NeutronFront } from './manager/neutron-facade.ts'
import type { NeutronParts } from './manager/parts.ts'
import { seed } from './manager/seed.ts'
import { policies } from './policies.ts'
import { neutronMigrations } from './store/migrations.ts'

interface NeutronConfig {
  privateCidr?: string
  publicCidr?: string
  globalMtu?: number
  resolvers?: string[]
}

/** The machine's resolvers, without those that only the machine itself can ask. */
const machineResolvers = (): string[] => {
  try {
    const servers = readFileSync('/etc/resolv.conf', 'utf8').matchAll(/^\s*nameserver\s+(\S+)/gm)
    return [...servers].map(([, server]) => server!).filter((server) => !/^(127\.|::1$|fe80:)/i.test(server))
  } catch {
    return [] // a machine without the file has no resolvers to lend
  }
}

const partsOf = ({ db, clock, log, hosts, facades, region, config }: ServiceDeps): NeutronParts => {
  const {
    privateCidr = '10.77.0.0/22',
    publicCidr = '172.24.4.0/24',
    globalMtu = 1500,
    resolvers = machineResolvers(),
  } = config as NeutronConfig
  return {
    db,
    clock,
    log,
    hosts,
    region,
    quota: () => facades.quota,
    keystone: () => facades.keystone,
    settings: { privateCidr, publicCidr, globalMtu, resolvers },
  }
}

export const neutron = defineService<NeutronApi, NeutronFacade, ServiceDeps>({
  name: 'neutron',
  about: 'Networks, their addresses, and what may pass between them',
  level: 3,
  catalog: [{ type: 'network', name: 'neutron', path: '/network' }],
  prefix: '/network',
  versionPath: '/v2.0',
  faults: 'neutron',
  adminRule: 'context_is_admin',
  policies,
  migrations: neutronMigrations,
  routes: [
    ...versionRoutes,
    ...networkRoutes,
    ...subnetRoutes,
    ...portRoutes,
    ...securityGroupRoutes,
    ...routerRoutes,
    ...floatingIpRoutes,
    ...portForwardingRoutes,
    ...sharingRoutes,
    ...tagRoutes,
    ...quotaRoutes,
    ...extensionRoutes,
    ...operationRoutes,
  ],
  create: (deps) => {
    const parts = partsOf(deps)
    const managers = createManagers(parts)
    const watching = new AbortController()
    const memory = new SyncMemory(deps.clock)
    return {
      api: managers,
      facade: new NeutronFront(parts, managers.topology),
      controllers: [syncHost(parts, { memory, bus: deps.bus, signal: watching.signal })],
      seed: () => seed(parts, deps.facades.keystone),
      start: async () => watchHosts(parts, { bus: deps.bus, memory }, watching.signal),
      stop: async () => watching.abort(),
    }
  },
})
