/** What operators look at: zones, services, hypervisors, hosts. */
import { isoNaive } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { isTrue, since, Strict, T, until } from '#platform/api-kit/schema.ts'
import { badRequest, conflict, notFound, unsupported } from '#platform/errors/errors.ts'
import type { ServiceView } from '../manager/hosts.ts'
import { internalZone } from '../manager/hosts.ts'
import { atLeast, last, refuseUnknown, repeated } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Bool } from './shapes.ts'

const opt = T.Optional

const zoneServices = (services: ServiceView[]) => Object.fromEntries(
  [
    ...Map.groupBy(services, (service) => service.host),
  ].map(([host, own]) => [host, Object.fromEntries(own.map((service) => [
    service.binary, { available: service.up, active: service.enabled, updated_at: isoNaive(service.seenAt) },
  ]))]),
)

const zoneView = (name: string, services: ServiceView[], detailed: boolean) => ({
  zoneName: name,
  zoneState: { available: services.some((service) => service.enabled && service.up) },
  hosts: detailed ? zoneServices(services) : null,
})

export const zoneRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'zones.list', method: 'GET', path: '/os-availability-zone', summary: 'List availability zones',
    policy: 'os_compute_api:os-availability-zone:list', reply: { status: 200 },
    handler: async (api) => ({
      availabilityZoneInfo: [...await api.hosts.zones()].filter(([name]) => name !== internalZone).map(
        ([name, services]) => zoneView(name, services, false),
      ),
    }),
  }),
  defineRoute<NovaApi>({
    id: 'zones.detail', method: 'GET', path: '/os-availability-zone/detail',
    summary: 'List availability zones with their hosts', policy: 'os_compute_api:os-availability-zone:detail',
    reply: { status: 200 },
    handler: async (api) => (
      { availabilityZoneInfo: [...await api.hosts.zones()].map(([name, services]) => zoneView(name, services, true)) }
    ),
  }),
]

const serviceView = (ctx: RequestContext, service: ServiceView) => ({
  id: atLeast(ctx, '2.53') ? service.uuid : service.number,
  binary: service.binary,
  host: service.host,
  zone: service.zone,
  status: service.enabled ? 'enabled' : 'disabled',
  state: service.up ? 'up' : 'down',
  updated_at: isoNaive(service.seenAt),
  disabled_reason: service.disabledReason,
  ...(atLeast(ctx, '2.11') && { forced_down: service.forcedDown }),
})

const ServiceQuery = T.Object({ host: repeated, binary: repeated }, { additionalProperties: true })
const ServiceBody = Strict({
  status: opt(T.Unsafe<'enabled' | 'disabled'>({ type: 'string', enum: ['enabled', 'disabled'] })),
  disabled_reason: opt(T.String({ minLength: 1, maxLength: 255 })),
  forced_down: opt(Bool()),
}, since('2.53'))
const LegacyBody = Strict({
  host: T.String({ minLength: 1, maxLength: 255 }),
  binary: T.String({ minLength: 1, maxLength: 255 }),
  disabled_reason: opt(T.String({ minLength: 1, maxLength: 255 })),
  forced_down: opt(Bool(since('2.11'))),
}, until('2.52'))
/** The path named a verb until 2.52 and names the service since. */
const UpdateServiceBody = T.Union([LegacyBody, ServiceBody])

type LegacyChange = { host: string; binary: string; disabled_reason?: string; forced_down?: string | boolean }
type ServiceChange = { status?: 'enabled' | 'disabled'; disabled_reason?: string; forced_down?: string | boolean }

const changeOf = (body: ServiceChange) => {
  if (body.status === undefined && body.forced_down === undefined) throw badRequest(
    'No updates were requested. Fields status or forced_down should be specified.',
  )
  if (body.disabled_reason !== undefined && body.status !== 'disabled') throw badRequest(
    "Specifying disabled_reason requires that status is 'disabled'.", { field: 'disabled_reason' },
  )
  return {
    ...(
      body.status && {
        enabled: body.status === 'enabled',
        disabledReason: body.status === 'enabled' ? null : body.disabled_reason ?? null,
      }
    ),
    ...(body.forced_down !== undefined && { forcedDown: isTrue(body.forced_down) }),
  }
}

const uuidLike = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i
const updateRule = 'os_compute_api:os-services:update'

type LegacyHandler = (service: ServiceView, body: { disabled_reason?: string; forced_down?: string | boolean }) => {
  change: Parameters<NovaApi['hosts']['changeService']>[1]
  view: object
}

const legacyVerbs: Record<string, LegacyHandler> = {
  enable: () => ({ change: { enabled: true, disabledReason: null }, view: { status: 'enabled' } }),
  disable: () => ({ change: { enabled: false, disabledReason: null }, view: { status: 'disabled' } }),
  'disable-log-reason': (_, body) => {
    if (body.disabled_reason === undefined) throw badRequest('Missing disabled reason field', {
      field: 'disabled_reason',
    })
    return {
      change: { enabled: false, disabledReason: body.disabled_reason },
      view: { status: 'disabled', disabled_reason: body.disabled_reason },
    }
  },
  'force-down': (_, body) => {
    if (body.forced_down === undefined) throw badRequest('Missing forced_down field', { field: 'forced_down' })
    return { change: { forcedDown: isTrue(body.forced_down) }, view: { forced_down: isTrue(body.forced_down) } }
  },
}

const legacyUpdate = async (api: NovaApi, ctx: RequestContext, verb: string, body: LegacyChange) => {
  const handle = legacyVerbs[verb]
  if (!handle || (verb === 'force-down' && !atLeast(ctx, '2.11'))) throw notFound(`Unknown action ${verb}`)
  const service = await api.hosts.serviceOf(body.host, body.binary)
  const { change, view } = handle(service, body)
  await api.hosts.changeService(service, change)
  return { service: { host: body.host, binary: body.binary, ...view } }
}

const update = async (api: NovaApi, ctx: RequestContext, id: string, body: ServiceChange) => {
  if (!uuidLike.test(id)) throw badRequest(`Invalid uuid ${id}`)
  const change = changeOf(body)
  return { service: serviceView(ctx, await api.hosts.changeService(await api.hosts.service(id), change)) }
}

export const serviceRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof ServiceQuery>({
    id: 'services.list', method: 'GET', path: '/os-services', summary: 'List the services of the cloud',
    policy: 'os_compute_api:os-services:list', query: ServiceQuery, reply: { status: 200 },
    handler: async (api, ctx, request) => {
      const query = request.query as Query
      refuseUnknown(ctx, query, ['host', 'binary'])
      const [host, binary] = [last(query, 'host'), last(query, 'binary')]
      const found = (await api.hosts.services()).filter(
        (one) => (host === undefined || one.host === host) && (binary === undefined || one.binary === binary),
      )
      return { services: found.map((service) => serviceView(ctx, service)) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof UpdateServiceBody>({
    id: 'services.update', method: 'PUT', path: '/os-services/{id}', summary: 'Enable, disable or force down a service',
    policy: updateRule, body: UpdateServiceBody, reply: { status: 200 }, errors: [404],
    handler: (api, ctx, { params, body }) =>
      (
        atLeast(ctx, '2.53')
          ? update(api, ctx, params.id!, body as ServiceChange)
          : legacyUpdate(api, ctx, params.id!, body as LegacyChange)
      ),
  }),
  defineRoute<NovaApi>({
    id: 'services.delete', method: 'DELETE', path: '/os-services/{service_id}', summary: 'Forget a service',
    policy: 'os_compute_api:os-services:delete', reply: { status: 204 }, errors: [404, 409],
    handler: async (api, ctx, { params }) => {
      const form = atLeast(ctx, '2.53') ? uuidLike : /^\d+$/
      if (!form.test(params.service_id!)) throw badRequest(`Invalid service id ${params.service_id}`)
      const service = await api.hosts.service(params.service_id!)
      throw conflict(
        `Unable to delete the ${service.binary} service of host ${service.host}: it is part of the running cloud.`,
        { remedy: 'disable it instead' },
      )
    },
  }),
]

/** JSON Schema's patterns have no flag for it. */
const eitherCase = (text: string): string => text.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)

const HostQuery = T.Object({ zone: repeated }, { additionalProperties: true })
const word = (...values: string[]) => opt(T.String({ pattern: `^[ ]*(?:${values.map(eitherCase).join('|')})[ ]*$` }))
const HostUpdateBody = Strict({ status: word('enable', 'disable'), maintenance_mode: word('enable', 'disable') }, {
  minProperties: 1,
})

const updateHost = async (api: NovaApi, name: string, body: { status?: string; maintenance_mode?: string }) => {
  const service = await api.hosts.serviceOf(name, 'nova-compute')
  if (body.maintenance_mode !== undefined) throw unsupported(
    'Virt driver does not implement host maintenance mode: disable the host',
  )
  const enabled = body.status!.trim().toLowerCase() === 'enable'
  await api.hosts.changeService(service, { enabled, disabledReason: null })
  return { host: name, status: enabled ? 'enabled' : 'disabled' }
}

export const hostRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof HostQuery>({
    id: 'hosts.list', method: 'GET', path: '/os-hosts', summary: 'List hosts', policy: 'os_compute_api:os-hosts:list',
    until: '2.42', query: HostQuery, reply: { status: 200 },
    handler: async (api, _, { query }) => {
      const asked = last(query as Query, 'zone') || undefined
      const found = (await api.hosts.services()).filter((service) => asked === undefined || service.zone === asked)
      return {
        hosts: found.map(
          ({ host, binary, zone }) => ({ host_name: host, service: binary.slice('nova-'.length), zone }),
        ),
      }
    },
  }),
  defineRoute<NovaApi, undefined, typeof HostUpdateBody>({
    id: 'hosts.update', method: 'PUT', path: '/os-hosts/{host_name}', summary: 'Enable or disable a host',
    policy: 'os_compute_api:os-hosts:update', until: '2.42', body: HostUpdateBody, reply: { status: 200 },
    errors: [404, 501],
    handler: (api, _, { params, body }) => updateHost(api, params.host_name!, body),
  }),
  defineRoute<NovaApi>({
    id: 'hosts.show', method: 'GET', path: '/os-hosts/{host_name}', summary: 'Show a host',
    policy: 'os_compute_api:os-hosts:show', until: '2.42', reply: { status: 200 }, errors: [404],
    handler: async (api, _, { params }) => {
      const found = (await api.hosts.hypervisors()).find(({ host }) => host.name === params.host_name)
      if (!found) throw notFound(`Compute host ${params.host_name} could not be found.`)
      const { name, vcpus, ramMiB, diskGiB } = found.host
      const resource = (project: string, cpu: number, memory_mb: number, disk_gb: number) =>
        ({ resource: { host: name, project, cpu, memory_mb, disk_gb } })
      return {
        host: [
          resource('(total)', vcpus, ramMiB, diskGiB), resource('(used_now)', 0, 0, diskGiB - found.host.diskFreeGiB),
        ],
      }
    },
  }),
  ...['reboot', 'shutdown', 'startup'].map((verb) => defineRoute<NovaApi>({
    id: `hosts.${verb}`, method: 'GET', path: `/os-hosts/{host_name}/${verb}`, summary: `Refuse to ${verb} a host`,
    policy: `os_compute_api:os-hosts:${verb === 'startup' ? 'start' : verb}`, until: '2.42', reply: { status: 200 },
    errors: [501],
    handler: async (api, _, { params }) => {
      const known = (await api.hosts.list()).some((host) => host.name === params.host_name)
      if (!known) throw notFound(`Compute host ${params.host_name} could not be found.`)
      throw unsupported("Virt driver does not implement host power actions: machines are their operator's own")
    },
  })),
]
