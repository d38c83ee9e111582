/** Neutron: networks, their addresses, and what may pass between them. */
import { readFileSync } from 'node:fs'
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import type { NeutronApi } from './api/neutron-api.ts'
import { floatingIpRoutes } from './api/floating-ips.ts'
import { networkRoutes } from './api/networks.ts'
import { portRoutes } from './api/ports.ts'
import { routerRoutes } from './api/routers.ts'
import { securityGroupRoutes } from './api/security-groups.ts'
import { subnetRoutes } from './api/subnets.ts'
import { versionRoutes } from './api/versions.ts'
import { SyncMemory, syncHost, watchHosts } from './controllers/sync-host.ts'
import type { NeutronFacade } from './facade.ts'
import { Topology } from './manager/auto-topology.ts'
import { createManagers } from './manager/managers.ts'
import { NeutronFront } from './manager/neutron-facade.ts'
import type { NeutronParts } from './manager/parts.ts'
import { seed } from './manager/seed.ts'
import { policies } from './policies.ts'
import { neutronMigrations } from './store/migrations.ts'

interface NeutronConfig { privateCidr?: string; publicCidr?: string; globalMtu?: number; resolvers?: string[] }

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
  const { privateCidr = '10.77.0.0/22', publicCidr = '172.24.4.0/24', globalMtu = 1500, resolvers = machineResolvers() } = config as NeutronConfig
  return { db, clock, log, hosts, region, quota: () => facades.quota, settings: { privateCidr, publicCidr, globalMtu, resolvers } }
}

export const neutron = defineService<NeutronApi, NeutronFacade, ServiceDeps>({
  name: 'neutron', about: 'Networks, their addresses, and what may pass between them', level: 3,
  catalog: [{ type: 'network', name: 'neutron', path: '/network' }],
  prefix: '/network', versionPath: '/v2.0', faults: 'neutron', adminRule: 'context_is_admin', policies, migrations: neutronMigrations,
  routes: [...versionRoutes, ...networkRoutes, ...subnetRoutes, ...portRoutes, ...securityGroupRoutes, ...routerRoutes, ...floatingIpRoutes],
  create: (deps) => {
    const parts = partsOf(deps)
    const watching = new AbortController()
    const memory = new SyncMemory(deps.clock)
    return {
      api: createManagers(parts),
      facade: new NeutronFront(parts, new Topology(parts)),
      controllers: [syncHost(parts, memory)],
      seed: () => seed(parts, deps.facades.keystone),
      start: async () => watchHosts(parts, { bus: deps.bus, memory }, watching.signal),
      stop: async () => watching.abort(),
    }
  },
})
