/** Nova: servers as containers, with the compute API's versions 2.1 to 2.96. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '../deps.ts'
import { aggregateRoutes } from './api/aggregates.ts'
import { auditLogRoutes } from './api/audit-log.ts'
import { extensionRoutes } from './api/extensions.ts'
import { externalEventRoutes } from './api/external-events.ts'
import { flavorAccessRoutes, flavorRoutes, flavorSpecRoutes } from './api/flavors.ts'
import { hypervisorRoutes } from './api/hypervisors.ts'
import { imageProxyRoutes } from './api/images-proxy.ts'
import { instanceActionRoutes } from './api/instance-actions.ts'
import { keypairRoutes } from './api/keypairs.ts'
import { migrationRoutes } from './api/migrations.ts'
import type { NovaApi } from './api/nova-api.ts'
import { hostRoutes, serviceRoutes, zoneRoutes } from './api/operator.ts'
import { limitRoutes, quotaClassRoutes, quotaRoutes } from './api/quotas.ts'
import { securityGroupRoutes } from './api/security-groups.ts'
import { serverActionRoutes } from './api/server-actions.ts'
import { serverGroupRoutes } from './api/server-groups.ts'
import { serverInterfaceRoutes } from './api/server-interfaces.ts'
import { serverMetadataRoutes, serverTagRoutes, serverViewRoutes } from './api/server-parts.ts'
import { serverRoutes } from './api/servers.ts'
import { tenantNetworkRoutes } from './api/tenant-networks.ts'
import { usageRoutes } from './api/usage.ts'
import { volumeAttachmentRoutes } from './api/volume-attachments.ts'
import { versionMax, versionMin, versionRoutes } from './api/versions.ts'
import { buildWaitingController } from './controllers/build-waiting.ts'
import { followController } from './controllers/follow.ts'
import { giveBackController } from './controllers/give-back.ts'
import { snapshotController } from './controllers/snapshot.ts'
import { volumesController } from './controllers/volume-attach.ts'
import type { NovaFacade } from './facade.ts'
import { Flavors } from './manager/flavors.ts'
import { Hosts } from './manager/hosts.ts'
import { Keypairs } from './manager/keypairs.ts'
import { lookUp } from './manager/look-up.ts'
import type { NovaParts } from './manager/parts.ts'
import { Preemption } from './manager/preemption.ts'
import { Quotas } from './manager/quotas.ts'
import { diskResource } from './manager/quota-words.ts'
import { disksHeld, serverGroupsHeld, serversHeld } from './manager/quotas-held.ts'
import { seedFlavors } from './manager/seed-flavors.ts'
import { ServerChanges } from './manager/server-changes.ts'
import { ServerCreate } from './manager/server-create.ts'
import { ServerGroups } from './manager/server-groups.ts'
import { ServerInsight } from './manager/server-insight.ts'
import { ServerInterfaces } from './manager/server-interfaces.ts'
import { ServerOrders } from './manager/server-orders.ts'
import { ServerPasswords } from './manager/server-passwords.ts'
import { ServerReader } from './manager/server-reader.ts'
import { ServerSecurity } from './manager/server-security.ts'
import { ServerSettings } from './manager/server-settings.ts'
import { Usage } from './manager/usage.ts'
import { VolumeAttachments } from './manager/volume-attachments.ts'
import { WaitingServers } from './manager/waiting-servers.ts'
import { policies } from './policies.ts'
import { migrations } from './store/migrations.ts'
import { migrationsList } from './store/migrations-list.ts'

const routes = [
  versionRoutes, serverRoutes, serverActionRoutes, serverMetadataRoutes, serverTagRoutes, serverViewRoutes,
  serverInterfaceRoutes, volumeAttachmentRoutes, instanceActionRoutes,
  flavorRoutes, flavorSpecRoutes, flavorAccessRoutes, keypairRoutes, quotaRoutes, quotaClassRoutes, limitRoutes,
  usageRoutes, zoneRoutes, serviceRoutes,
  hypervisorRoutes, hostRoutes, aggregateRoutes, serverGroupRoutes, migrationRoutes, extensionRoutes,
  externalEventRoutes, imageProxyRoutes,
  tenantNetworkRoutes, securityGroupRoutes, auditLogRoutes,
].flat()

const managers = (parts: NovaParts, waiting: WaitingServers): NovaApi => {
  const flavors = new Flavors(parts)
  const orders = new ServerOrders(parts, waiting)
  return {
    flavors, orders,
    servers: new ServerReader(parts),
    serverCreate: new ServerCreate(parts, flavors, waiting),
    changes: new ServerChanges(parts, flavors, orders),
    settings: new ServerSettings(parts, orders),
    interfaces: new ServerInterfaces(parts, orders),
    security: new ServerSecurity(parts),
    insight: new ServerInsight(parts, waiting),
    keypairs: new Keypairs(parts),
    groups: new ServerGroups(parts),
    hosts: new Hosts(parts),
    passwords: new ServerPasswords(parts),
    quotas: new Quotas(parts),
    usage: new Usage(parts),
    volumes: new VolumeAttachments(parts, orders),
    migrations: (filter) => migrationsList(parts.db, filter),
    glance: parts.facades.glance,
    neutron: parts.facades.neutron,
    keystone: parts.facades.keystone,
  }
}

export const nova = defineService<NovaApi, NovaFacade, ServiceDeps>({
  name: 'nova',
  about: 'Servers: containers on tenant networks, behind the compute API.',
  level: 6,
  catalog: [{ type: 'compute', name: 'nova', path: '/compute/v2.1' }],
  prefix: '/compute',
  versionPath: '/v2.1',
  projectInPath: 'optional',
  microversions: {
    service: 'compute', legacyHeaders: ['X-OpenStack-Nova-API-Version'], min: versionMin, max: versionMax,
  },
  faults: 'nova',
  adminRule: 'context_is_admin',
  routes,
  policies,
  migrations,
  create: (deps) => {
    const waiting = new WaitingServers(deps)
    const api = managers(deps, waiting)
    return {
      api,
      facade: lookUp(deps),
      controllers: [
        followController(deps, deps.bus), snapshotController(deps),
        giveBackController(deps, new Preemption(deps, api.orders, api.changes)), buildWaitingController(waiting, deps),
        volumesController(deps),
      ],
      seed: async () => {
        await api.quotas.declare()
        await deps.facades.quota.ensureResource(diskResource)
        for (const owner of [serversHeld(deps), disksHeld(deps), serverGroupsHeld(deps)]) deps.facades.quota.owns(owner)
        await api.flavors.seed(seedFlavors)
      },
    }
  },
})
