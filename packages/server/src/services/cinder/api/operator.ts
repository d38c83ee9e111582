/** Routes for the operator: services, hosts, pools, capabilities; and what all may ask of the API itself. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Nullable, since, T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { PoolInfo, ServiceInfo } from '../manager/hosts.ts'
import { hostOf, storageProtocol, vendorName } from '../manager/hosts.ts'
import { bytesPerGiB, zone } from '../manager/model.ts'
import type { CinderApi } from './cinder-api.ts'
import { resourceFilters } from './filters.ts'
import { AnyQuery, atLeast, last, moment, type Query } from './manners.ts'
import { opt } from './shapes.ts'

const ServiceView = T.Object({ cluster: T.Unknown(since('3.7')), backend_state: T.Unknown(since('3.49')) })

const serviceView = (service: ServiceInfo) => ({
  binary: service.binary,
  host: service.host,
  zone: service.zone,
  status: service.isEnabled ? 'enabled' : 'disabled',
  state: service.isUp ? 'up' : 'down',
  updated_at: moment(service.updatedAt),
  disabled_reason: service.disabledReason,
  cluster: null,
  ...(service.binary === 'cinder-volume' && {
    replication_status: 'not-capable',
    active_backend_id: null,
    frozen: false,
    backend_state: service.isUp ? 'up' : 'down',
  }),
})

const ServiceBody = T.Object(
  {
    host: T.String({ minLength: 1, maxLength: 255 }),
    binary: opt(Nullable(T.String({ maxLength: 255 }))),
    service: opt(Nullable(T.String({ maxLength: 255 }))),
    disabled_reason: opt(Nullable(T.String({ minLength: 1, maxLength: 255 }))),
  },
  { additionalProperties: true },
)

const serviceActions: Record<string, boolean> = { enable: true, disable: false, 'disable-log-reason': false }

const replication = ['freeze', 'thaw', 'failover', 'failover_host']

/** Whether the service is to be in use. */
const wishOf = (verb: string, body: { host: string; disabled_reason?: string | null }): boolean => {
  if (replication.includes(verb)) {
    throw badRequest(
      `Volumes of ${body.host} are kept there alone and have no replicas: there is nothing to ${verb}.`,
    )
  }
  const isEnabled = serviceActions[verb]
  if (isEnabled === undefined) throw notFound(`Unknown action ${verb}: enable, disable or disable-log-reason`)
  if (verb === 'disable-log-reason' && !body.disabled_reason)
    throw badRequest("'disabled_reason' is a required property", { field: 'disabled_reason' })
  return isEnabled
}

const serviceRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'services.list',
    method: 'GET',
    path: '/os-services',
    summary: 'List what keeps volumes',
    policy: 'volume_extension:services:index',
    query: AnyQuery,
    reply: { status: 200, schema: T.Object({ services: T.Array(ServiceView) }) },
    handler: async ({ hosts }, _ctx, { query: asked }) => {
      const [host, binary] = [last(asked as Query, 'host'), last(asked as Query, 'binary')]
      const services = (await hosts.services()).filter(
        (service) =>
          (host === undefined || [service.host, hostOf(service.host)].includes(host)) &&
          (binary === undefined || service.binary === binary),
      )
      return { services: services.map(serviceView) }
    },
  }),
  defineRoute<CinderApi, undefined, typeof ServiceBody>({
    id: 'services.update',
    method: 'PUT',
    path: '/os-services/{verb}',
    summary: 'Take a service out of use, or back',
    policy: 'volume_extension:services:update',
    body: ServiceBody,
    reply: { status: 200 },
    errors: [404],
    handler: async ({ hosts }, _ctx, { params, body }) => {
      const isEnabled = wishOf(params.verb!, body)
      const binary = body.binary || body.service || undefined
      const reason = body.disabled_reason ?? undefined
      await hosts.setEnabled({ host: body.host, ...(binary && { binary }), isEnabled, ...(reason && { reason }) })
      return {
        host: body.host,
        service: body.service ?? '',
        binary: body.binary ?? '',
        status: isEnabled ? 'enabled' : 'disabled',
        disabled: !isEnabled,
        ...(reason && { disabled_reason: reason }),
      }
    },
  }),
]

const poolView = ({ name, space }: PoolInfo, isDetail: boolean) => ({
  name,
  ...(isDetail && {
    capabilities: {
      volume_backend_name: name.split('#')[1],
      pool_name: name.split('#')[1],
      storage_protocol: storageProtocol,
      vendor_name: vendorName,
      driver_version: '1.0',
      total_capacity_gb: space ? Math.floor(space.totalBytes / bytesPerGiB) : 'unknown',
      free_capacity_gb: space ? Math.floor(space.freeBytes / bytesPerGiB) : 'unknown',
      allocated_capacity_gb: space ? Math.floor((space.totalBytes - space.freeBytes) / bytesPerGiB) : 'unknown',
      reserved_percentage: 0,
      QoS_support: false,
      thin_provisioning_support: true,
      multiattach: true,
      backend_state: space ? 'up' : 'down',
    },
  }),
})

const hostRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'hosts.list',
    method: 'GET',
    path: '/os-hosts',
    summary: 'List hosts',
    policy: 'volume_extension:hosts',
    reply: { status: 200 },
    handler: async ({ hosts }) => ({
      hosts: (await hosts.services()).map((service) => ({
        host_name: service.host,
        service: service.binary,
        zone: service.zone,
        'service-status': service.isUp ? 'available' : 'unavailable',
        'service-state': service.isEnabled ? 'enabled' : 'disabled',
        'last-update': moment(service.updatedAt),
      })),
    }),
  }),
  defineRoute<CinderApi>({
    id: 'hosts.show',
    method: 'GET',
    path: '/os-hosts/{host_name}',
    summary: 'Show how much there is on a host, by project',
    policy: 'volume_extension:hosts',
    reply: { status: 200 },
    errors: [404],
    handler: async ({ hosts, volumes, snapshots }, _ctx, { params }) => {
      const host = params.host_name!
      hosts.assertKnown(host)
      const [kept, taken] = await Promise.all([volumes.onHost(hostOf(host)), snapshots.onHost(hostOf(host))])
      const projects = new Set([...kept, ...taken].map(({ projectId }) => projectId))
      const sum = (items: { sizeGiB: number }[]) => String(items.reduce((total, { sizeGiB }) => total + sizeGiB, 0))
      const row = (project: string, isIts: (projectId: string) => boolean) => {
        const [volumesOf, snapshotsOf] = [kept, taken].map((items) => items.filter((one) => isIts(one.projectId)))
        return {
          resource: {
            host,
            project,
            volume_count: String(volumesOf!.length),
            total_volume_gb: sum(volumesOf!),
            snapshot_count: String(snapshotsOf!.length),
            total_snapshot_gb: sum(snapshotsOf!),
          },
        }
      }
      return { host: [row('(total)', () => true), ...[...projects].map((id) => row(id, (one) => one === id))] }
    },
  }),
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'pools.list',
    method: 'GET',
    path: '/scheduler-stats/get_pools',
    summary: 'List pools of storage',
    policy: 'scheduler_extension:scheduler_stats:get_pools',
    query: AnyQuery,
    reply: { status: 200 },
    handler: async ({ hosts }, ctx, { query: asked }) => {
      const query = asked as Query
      const name = atLeast(ctx, '3.28') ? last(query, 'name') : undefined
      const pools = (await hosts.pools()).filter((pool) => name === undefined || pool.name === name)
      return { pools: pools.map((pool) => poolView(pool, isTrue(last(query, 'detail')))) }
    },
  }),
  defineRoute<CinderApi>({
    id: 'capabilities.show',
    method: 'GET',
    path: '/capabilities/{host_name}',
    summary: 'Show what a host can do',
    policy: 'volume_extension:capabilities',
    reply: { status: 200 },
    errors: [404],
    handler: ({ hosts }, _ctx, { params }) => {
      hosts.assertKnown(params.host_name!)
      return {
        namespace: `OS::Storage::Capabilities::${params.host_name}`,
        vendor_name: vendorName,
        volume_backend_name: 'quaystone',
        pool_name: null,
        driver_version: '1.0',
        storage_protocol: storageProtocol,
        display_name: 'Files on the host',
        description: 'Sparse files of fixed size on the host, attached as loop devices',
        visibility: null,
        replication_targets: [],
        properties: {
          thin_provisioning: {
            title: 'Thin Provisioning',
            description: 'Takes disk as it is written',
            type: 'boolean',
          },
          multiattach: { title: 'Multiattach', description: 'Several servers of one host', type: 'boolean' },
        },
      }
    },
  }),
]

const extensions = [
  ['os-quota-sets', 'Quotas'],
  ['os-quota-class-sets', 'QuotaClasses'],
  ['os-used-limits', 'UsedLimits'],
  ['os-availability-zone', 'AvailabilityZones'],
  ['os-volume-actions', 'VolumeActions'],
  ['os-admin-actions', 'AdminActions'],
  ['os-snapshot-actions', 'SnapshotActions'],
  ['os-extended-snapshot-attributes', 'ExtendedSnapshotAttributes'],
  ['os-vol-host-attr', 'VolumeHostAttribute'],
  ['os-vol-tenant-attr', 'VolumeTenantAttribute'],
  ['os-vol-mig-status-attr', 'VolumeMigStatusAttribute'],
  ['os-vol-image-meta', 'VolumeImageMetadata'],
  ['os-types-manage', 'TypesManage'],
  ['os-types-extra-specs', 'TypesExtraSpecs'],
  ['os-volume-type-access', 'VolumeTypeAccess'],
  ['qos-specs', 'Qos_specs_manage'],
  ['os-volume-transfer', 'VolumeTransfer'],
  ['os-services', 'Services'],
  ['os-extended-services', 'ExtendedServices'],
  ['os-hosts', 'Hosts'],
  ['scheduler-stats', 'Scheduler_stats'],
  ['capabilities', 'Capabilities'],
  ['OS-SCH-HNT', 'SchedulerHints'],
] as const

const extensionView = ([alias, name]: readonly [string, string]) => ({
  alias,
  name,
  description: name,
  updated: '2014-01-01T00:00:00+00:00',
  links: [],
})

const apiRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'zones.list',
    method: 'GET',
    path: '/os-availability-zone',
    summary: 'List availability zones',
    policy: 'authenticated',
    reply: { status: 200 },
    handler: () => ({ availabilityZoneInfo: [{ zoneName: zone, zoneState: { available: true } }] }),
  }),
  defineRoute<CinderApi>({
    id: 'extensions.list',
    method: 'GET',
    path: '/extensions',
    summary: 'List extensions',
    policy: 'authenticated',
    reply: { status: 200 },
    handler: () => ({ extensions: extensions.map(extensionView) }),
  }),
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'resourceFilters.list',
    method: 'GET',
    path: '/resource_filters',
    summary: 'List what lists may be filtered by',
    policy: 'authenticated',
    since: '3.33',
    query: AnyQuery,
    reply: { status: 200 },
    handler: (_cinder, _ctx, { query }) => {
      const wanted = last(query as Query, 'resource')
      const chosen = Object.entries(resourceFilters).filter(([name]) => wanted === undefined || name === wanted)
      return { resource_filters: chosen.map(([resource, filters]) => ({ resource, filters })) }
    },
  }),
]

export const operatorRoutes: Route<CinderApi>[] = [...serviceRoutes, ...hostRoutes, ...apiRoutes]
