/** What a client sees of a server, at each microversion. */
import { createHash } from 'node:crypto'
import { isoNaive, isoSeconds } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { PortInfo } from '#services/neutron/facade.ts'
import type { HostInfo } from '#services/workloads/facade.ts'
import type { Flavor, SecurityGroupRef, Server, ServerVolume } from '../manager/model.ts'
import { statusOf } from '../states/server-state.ts'
import { atLeast, bookmarkLink, linksOf } from './manners.ts'

/** What the caller may see, asked of the policy once for a whole list. */
export interface Grants { extended: boolean; hostStatus: boolean; hostStatusUnknown: boolean; extraSpecs: boolean }

export const grantsOf = (ctx: RequestContext): Grants => ({
  extended: ctx.can('os_compute_api:os-extended-server-attributes'),
  hostStatus: atLeast(ctx, '2.16') && ctx.can('os_compute_api:servers:show:host_status'),
  hostStatusUnknown: atLeast(ctx, '2.16') && ctx.can('os_compute_api:servers:show:host_status:unknown-only'),
  extraSpecs: atLeast(ctx, '2.47') && ctx.can('os_compute_api:servers:show:flavor-extra-specs'),
})

export interface ServerSurroundings {
  grants: Grants
  ports: PortInfo[]
  groups: SecurityGroupRef[]
  hosts?: Map<string, HostInfo>
  volumes: Pick<ServerVolume, 'volumeId' | 'deleteOnTermination'>[]
}

const hostIds = new Map<string, string>()
const hostIdsMax = 10_000

/** Tells a project's servers on one host from those on others without telling the host. */
export const hostIdOf = (projectId: string, host: string | null): string => {
  if (host === null) return ''
  const key = `${projectId}${host}`
  let id = hostIds.get(key)
  if (id === undefined) {
    if (hostIds.size >= hostIdsMax) hostIds.clear()
    hostIds.set(key, (id = createHash('sha224').update(key).digest('hex')))
  }
  return id
}

/** Fixed addresses and the floating ones that lead to them, by network name. */
export const addressesOf = (ports: PortInfo[], extended = true): Record<string, object[]> => {
  const networks: Record<string, object[]> = {}
  for (const port of ports) {
    const list = (networks[port.networkName] ??= [])
    const entry = (version: number, addr: string, type: string) =>
      list.push(
        extended ? { version, addr, 'OS-EXT-IPS:type': type, 'OS-EXT-IPS-MAC:mac_addr': port.mac } : { version, addr },
      )
    for (const fixed of port.fixedIps) entry(fixed.version, fixed.ip, 'fixed')
    for (const floating of port.floatingIps) entry(4, floating.address, 'floating')
  }
  return networks
}

const flavorView = (ctx: RequestContext, flavor: Flavor, grants: Grants): object => {
  if (!atLeast(ctx, '2.47')) return { id: flavor.id, links: [bookmarkLink(ctx, `flavors/${flavor.id}`)] }
  return {
    vcpus: flavor.vcpus, ram: flavor.ramMiB, disk: flavor.diskGiB, ephemeral: flavor.ephemeralGiB, swap: flavor.swapMiB,
    original_name: flavor.name, ...(grants.extraSpecs && { extra_specs: flavor.extraSpecs }),
  }
}

const imageView = (ctx: RequestContext, imageId: string | null): object | string =>
  imageId === null ? '' : { id: imageId, links: [bookmarkLink(ctx, `images/${imageId}`)] }

const faultOf = (ctx: RequestContext, { fault, vmState }: Server): object | undefined => {
  if (!fault || (vmState !== 'error' && vmState !== 'deleted')) return undefined
  const detailed = ctx.isAdmin || fault.code !== 500
  return {
    code: fault.code, created: isoSeconds(fault.at), message: fault.message,
    details: shownIf(detailed, fault.details || undefined),
  }
}

const progressing = new Set(['ACTIVE', 'BUILD', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'MIGRATING'])

/** A field that is undefined is not shown: JSON leaves it out. */
const shownIf = <V>(shown: boolean, value: V): V | undefined => (shown ? value : undefined)

/** What an operator sees beside the rest. */
const extendedView = (ctx: RequestContext, server: Server): object => {
  const wide = atLeast(ctx, '2.3')
  return {
    'OS-EXT-SRV-ATTR:host': server.host,
    'OS-EXT-SRV-ATTR:instance_name': `instance-${server.id.slice(0, 8)}`,
    'OS-EXT-SRV-ATTR:hypervisor_hostname': server.host,
    'OS-EXT-SRV-ATTR:hostname': shownIf(wide, server.hostname),
    'OS-EXT-SRV-ATTR:kernel_id': shownIf(wide, ''),
    'OS-EXT-SRV-ATTR:launch_index': shownIf(wide, server.launchIndex),
    'OS-EXT-SRV-ATTR:ramdisk_id': shownIf(wide, ''),
    'OS-EXT-SRV-ATTR:reservation_id': shownIf(wide, server.reservationId),
    'OS-EXT-SRV-ATTR:root_device_name': shownIf(wide, '/dev/root'),
    'OS-EXT-SRV-ATTR:user_data': shownIf(wide, server.userData),
  }
}

/** `MAINTENANCE`: disabled by an operator. */
const hostStatusOf = (host: HostInfo | undefined): string => {
  if (!host) return 'UNKNOWN'
  if (!host.enabled) return 'MAINTENANCE'
  return host.up ? 'UP' : 'DOWN'
}

const hostStatusShown = (server: Server, { grants, hosts }: ServerSurroundings): string | undefined => {
  if (!grants.hostStatus && !grants.hostStatusUnknown) return undefined
  const status = server.host === null ? '' : hostStatusOf(hosts?.get(server.host))
  return shownIf(grants.hostStatus || status === 'UNKNOWN', status)
}

/** What every view of a server has, also the short ones of update and rebuild before 2.75. */
const coreView = (
  ctx: RequestContext, server: Server, { grants, ports }: ServerSurroundings, withExtendedAddresses: boolean,
): object => {
  const status = statusOf(server.vmState, server.taskState)
  return {
    accessIPv4: server.accessIpV4 ?? '',
    accessIPv6: server.accessIpV6 ?? '',
    addresses: server.vmState === 'building' ? {} : addressesOf(ports, withExtendedAddresses),
    created: isoSeconds(server.createdAt),
    flavor: flavorView(ctx, server.flavor, grants),
    hostId: hostIdOf(server.projectId, server.host),
    id: server.id,
    image: imageView(ctx, server.imageId),
    links: linksOf(ctx, `servers/${server.id}`),
    metadata: server.metadata,
    name: server.name,
    status,
    tenant_id: server.projectId,
    user_id: server.userId,
    updated: isoSeconds(server.updatedAt),
    'OS-DCF:diskConfig': server.diskConfig,
    fault: faultOf(ctx, server),
    progress: shownIf(progressing.has(status), server.progress),
  }
}

const volumeView = (ctx: RequestContext, { volumeId, deleteOnTermination }: ServerSurroundings['volumes'][number]) =>
  ({ id: volumeId, delete_on_termination: shownIf(atLeast(ctx, '2.3'), deleteOnTermination) })

const wideView = (ctx: RequestContext, server: Server, surroundings: ServerSurroundings): object => ({
  'OS-EXT-AZ:availability_zone': server.zone ?? server.pinnedZone ?? '',
  config_drive: server.configDrive ? 'True' : '',
  key_name: server.keyName,
  'OS-SRV-USG:launched_at': server.launchedAt === null ? null : isoNaive(server.launchedAt),
  'OS-SRV-USG:terminated_at': server.terminatedAt === null ? null : isoNaive(server.terminatedAt),
  'OS-EXT-STS:task_state': server.taskState,
  'OS-EXT-STS:vm_state': server.vmState,
  'OS-EXT-STS:power_state': server.powerState,
  'os-extended-volumes:volumes_attached': surroundings.volumes.map((volume) => volumeView(ctx, volume)),
  security_groups: shownIf(surroundings.groups.length > 0, surroundings.groups.map(({ name }) => ({ name }))),
  host_status: hostStatusShown(server, surroundings),
})

const versionedView = (ctx: RequestContext, server: Server): object => ({
  locked: shownIf(atLeast(ctx, '2.9'), server.lockedBy !== null),
  description: shownIf(atLeast(ctx, '2.19'), server.description),
  tags: shownIf(atLeast(ctx, '2.26'), server.tags),
  trusted_image_certificates: shownIf(atLeast(ctx, '2.63'), server.trustedCerts),
  locked_reason: shownIf(atLeast(ctx, '2.73'), server.lockedReason),
})

/** Shown to everybody from 2.90 on, and to an operator before. */
const hostnameView = (ctx: RequestContext, server: Server): object | undefined =>
  atLeast(ctx, '2.90') ? { 'OS-EXT-SRV-ATTR:hostname': server.hostname } : undefined

const pinnedView = (ctx: RequestContext, server: Server): object | undefined =>
  atLeast(ctx, '2.96') ? { pinned_availability_zone: server.pinnedZone } : undefined

const groupsView = (ctx: RequestContext, server: Server): object =>
  (atLeast(ctx, '2.71') ? { server_groups: server.groupId === null ? [] : [server.groupId] } : {})

/** As `GET /servers/detail` shows each server. */
export const detailView = (ctx: RequestContext, server: Server, surroundings: ServerSurroundings): object =>
  Object.assign(
    coreView(ctx, server, surroundings, true),
    wideView(ctx, server, surroundings),
    surroundings.grants.extended ? extendedView(ctx, server) : undefined,
    hostnameView(ctx, server),
    pinnedView(ctx, server),
    versionedView(ctx, server),
  )

/** As `GET /servers/{id}` shows it. */
export const showView = (ctx: RequestContext, server: Server, surroundings: ServerSurroundings): object =>
  ({ ...detailView(ctx, server, surroundings), ...groupsView(ctx, server) })

/** As update and rebuild answer: everything from 2.75 on, the core before. */
export const changedView = (ctx: RequestContext, server: Server, surroundings: ServerSurroundings): object => {
  if (atLeast(ctx, '2.75')) return showView(ctx, server, surroundings)
  return { ...coreView(ctx, server, surroundings, false), ...versionedView(ctx, server), ...groupsView(ctx, server) }
}

/** As `GET /servers` lists it. */
export const briefView = (ctx: RequestContext, server: Server): object =>
  ({ id: server.id, name: server.name, links: linksOf(ctx, `servers/${server.id}`) })
