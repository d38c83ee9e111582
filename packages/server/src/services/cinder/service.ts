/** Cinder: volumes on Docker hosts, their snapshots, and who holds them; block storage API 3.0 to 3.71. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import { absentRoutes } from './api/absent.ts'
import { attachmentRoutes } from './api/attachments.ts'
import { backupRoutes } from './api/backups.ts'
import type { CinderApi } from './api/cinder-api.ts'
import { defaultTypeRoutes, encryptionRoutes } from './api/default-types.ts'
import { messageRoutes } from './api/messages.ts'
import { operatorRoutes } from './api/operator.ts'
import { qosRoutes } from './api/qos.ts'
import { limitRoutes, quotaRoutes } from './api/quotas.ts'
import { snapshotRoutes } from './api/snapshots.ts'
import { transferRoutes } from './api/transfers.ts'
import { typeRoutes } from './api/types.ts'
import { volumeActionRoutes } from './api/volume-actions.ts'
import { metadataRoutes } from './api/volume-metadata.ts'
import { volumeRoutes } from './api/volumes.ts'
import { versionMax, versionMin, versionRoutes } from './api/versions.ts'
import { runBackups } from './controllers/run-backups.ts'
import { runSnapshots } from './controllers/run-snapshots.ts'
import { runVolumes } from './controllers/run-volumes.ts'
import type { CinderFacade } from './facade.ts'
import { Attachments } from './manager/attachments.ts'
import { Backups } from './manager/backups.ts'
import { Connections } from './manager/connections.ts'
import { CinderFront } from './manager/front.ts'
import { VolumeHosts } from './manager/hosts.ts'
import { Leaks } from './manager/leaks.ts'
import { Messages } from './manager/messages.ts'
import { QosSpecs } from './manager/qos.ts'
import { Quotas } from './manager/quotas.ts'
import { volumesHeld } from './manager/quotas-held.ts'
import { Snapshots } from './manager/snapshots.ts'
import { Transfers } from './manager/transfers.ts'
import { Types } from './manager/types.ts'
import { VolumeActions } from './manager/volume-actions.ts'
import { VolumeCreate } from './manager/volume-create.ts'
import { Volumes } from './manager/volumes.ts'
import { policies } from './policies.ts'
import type { CinderPorts } from './ports.ts'
import { migrations } from './store/migrations.ts'

const routes = [
  versionRoutes,
  volumeRoutes,
  volumeActionRoutes,
  metadataRoutes,
  snapshotRoutes,
  typeRoutes,
  defaultTypeRoutes,
  encryptionRoutes,
  qosRoutes,
  transferRoutes,
  messageRoutes,
  backupRoutes,
  attachmentRoutes,
  quotaRoutes,
  limitRoutes,
  operatorRoutes,
  absentRoutes,
].flat()

const managers = (deps: ServiceDeps) => {
  const quotas = new Quotas(deps)
  const types = new Types(deps, quotas)
  const create = new VolumeCreate(deps, types, quotas)
  const volumes = new Volumes(deps, create)
  const actions = new VolumeActions(deps, { volumes, types, quotas })
  const attachments = new Attachments(deps)
  const api: CinderApi = {
    volumes,
    actions,
    attachments,
    types,
    quotas,
    connections: new Connections(deps, volumes, attachments),
    snapshots: new Snapshots(deps),
    qos: new QosSpecs(deps),
    transfers: new Transfers(deps, volumes),
    messages: new Messages(deps),
    backups: new Backups(deps, volumes, create),
    hosts: new VolumeHosts(deps),
    keystone: deps.facades.keystone,
  }
  return { api, facade: new CinderFront({ volumes, create, actions, attachments, leaks: new Leaks(deps) }) }
}

export const cinder = defineService<CinderApi, CinderFacade, ServiceDeps>({
  name: 'cinder',
  about: 'Volumes of fixed size on Docker hosts, their snapshots, and who holds them',
  level: 4,
  catalog: [
    { type: 'block-storage', name: 'cinder', path: '/volume/v3' },
    { type: 'volumev3', name: 'cinderv3', path: '/volume/v3' },
  ],
  prefix: '/volume',
  versionPath: '/v3',
  projectInPath: 'optional',
  strictSlash: true,
  microversions: { service: 'volume', min: versionMin, max: versionMax },
  faults: 'cinder',
  adminRule: 'context_is_admin',
  routes,
  policies,
  migrations,
  create: (deps) => {
    const { api, facade } = managers(deps)
    const { backups } = deps.config.ports as CinderPorts
    const work = { ...deps, choosing: api.hosts, messages: api.messages, backups }
    return {
      api,
      facade,
      controllers: [runVolumes(work), runSnapshots(work), runBackups(work)],
      seed: async () => {
        await api.types.seed()
        await api.quotas.declare()
        for (const owner of volumesHeld(deps)) deps.facades.quota.owns(owner)
      },
    }
  },
})
