/** The rules a create or a rebuild must meet before anything is written. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, forbidden, isRefusal, overLimit } from '#platform/errors/errors.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import { serverGroupFetch } from '../store/server-groups.ts'
import { serversByIds } from '../store/servers.ts'
import {
  dockerSettings, extraSpecPrefix, metadataPrefix, privilegedOptions, referredServers,
} from './docker-options.ts'
import type { Flavor, SecurityGroupRef, Server, ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'
import type { Personality } from './seed-files.ts'

const gib = 1024 ** 3

interface Amounts { metadata: Record<string, string>; personality: Personality[] }

export class CreateChecks {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  async image(caller: RequestContext, id: string, flavor: Flavor): Promise<ImageInfo> {
    const image = await this.#parts.facades.glance.imageFetch(id, {
      projectId: caller.projectId, isAdmin: caller.isAdmin,
    })
    if (!image) throw badRequest('Can not find requested image', { field: 'imageRef' })
    if (image.status !== 'active') throw badRequest(`Image ${id} is not active.`, {
      field: 'imageRef', status: image.status,
    })
    if (image.minRamMiB > flavor.ramMiB) throw badRequest(
      "Flavor's memory is too small for requested image.", { asked: image.minRamMiB, limit: flavor.ramMiB },
    )
    if (flavor.diskGiB > 0 && image.minDiskGiB > flavor.diskGiB) {
      throw badRequest("Flavor's disk is smaller than the minimum size specified in image metadata. "
        + `Flavor disk is ${flavor.diskGiB * gib} bytes, minimum size is ${image.minDiskGiB * gib} bytes.`)
    }
    if (flavor.diskGiB > 0 && (image.sizeBytes ?? 0) > flavor.diskGiB * gib) {
      throw badRequest("Flavor's disk is too small for requested image. "
        + `Flavor disk is ${flavor.diskGiB * gib} bytes, image is ${image.sizeBytes} bytes.`)
    }
    return image
  }

  /** Counts that a project may not exceed in one server. */
  async amounts({ projectId }: Pick<RequestContext, 'projectId'>, { metadata, personality }: Amounts): Promise<void> {
    const limits = await this.#parts.facades.quota.limits(projectId)
    const exceeds = (resource: string, asked: number) => (limits[resource] ?? -1) >= 0 && asked > limits[resource]!
    const items = Object.keys(metadata).length
    if (exceeds('metadata_items', items)) {
      throw forbidden(`Maximum number of metadata items exceeds ${limits.metadata_items}`, {
        asked: items, limit: limits.metadata_items,
      })
    }
    if (exceeds('injected_files', personality.length)) throw forbidden('Quota exceeded, too many files to inject')
    const bytes = personality.map((file) => Buffer.from(file.contents, 'base64').length)
    if (bytes.some((size) => exceeds('injected_file_content_bytes', size))) throw forbidden(
      'Quota exceeded, too much data in the files to inject',
    )
    if (personality.some((file) => exceeds('injected_file_path_bytes', Buffer.byteLength(file.path)))) throw forbidden(
      'Quota exceeded, file path too long',
    )
  }

  async zone({ zone, forcedHost }: { zone?: string; forcedHost?: string }): Promise<void> {
    if (zone === undefined && forcedHost === undefined) return
    const hosts = await this.#parts.facades.workloads.hosts()
    if (zone !== undefined && !hosts.some((host) => host.availabilityZone === zone)) {
      throw badRequest('The requested availability zone is not available', {
        field: 'availability_zone', known: [...new Set(hosts.map((host) => host.availabilityZone))],
      })
    }
    if (forcedHost !== undefined && !hosts.some((host) => host.name === forcedHost)) {
      throw badRequest(`Compute host ${forcedHost} could not be found.`, { field: 'host' })
    }
  }

  async securityGroups(caller: RequestContext, names: string[] | undefined): Promise<SecurityGroupRef[]> {
    try {
      return await this.#parts.facades.neutron.securityGroupsResolve(caller.projectId, [
        ...new Set(names ?? ['default']),
      ])
    } catch (error) {
      if (isRefusal(error) && error.kind === 'notFound') throw badRequest(
        error.message, { ...error.details, field: 'security_groups' }, error,
      )
      throw error
    }
  }

  async group(caller: RequestContext, hints: Record<string, unknown>, count: number): Promise<ServerGroup | undefined> {
    const id = Array.isArray(hints.group) ? hints.group[0] : hints.group
    if (id === undefined) return undefined
    const group = await serverGroupFetch(this.#parts.db, String(id))
    if (!group || group.projectId !== caller.projectId) throw badRequest(
      `Instance group ${id} could not be found.`, { field: 'os:scheduler_hints' },
    )
    const limit = (await this.#parts.facades.quota.limits(caller.projectId)).server_group_members ?? 10
    if (limit >= 0 && group.members.length + count > limit) {
      throw overLimit('Quota exceeded, too many servers in group', {
        resource: 'server_group_members', used: group.members.length, asked: count, limit,
      })
    }
    return group
  }

  /** Docker settings are well formed, and those that reach beyond the container are granted. */
  settings(caller: RequestContext, server: Pick<Server, 'metadata' | 'projectId' | 'userId'>): void {
    const options = privilegedOptions(dockerSettings(server.metadata, metadataPrefix))
    if (!options.length || caller.can('os_compute_api:servers:create:privileged')) return
    throw forbidden("Policy doesn't allow os_compute_api:servers:create:privileged to be performed. "
      + `These options reach beyond the container: ${options.map((option) => metadataPrefix + option).join(', ')}`)
  }

  /** A container lives as long as its command: without one it could not even start. */
  command(image: ImageInfo, server: Pick<Server, 'metadata' | 'flavor'>): void {
    const settings = {
      ...dockerSettings(server.flavor.extraSpecs, extraSpecPrefix), ...dockerSettings(server.metadata, metadataPrefix),
    }
    const told = image.properties.os_command_line || settings.command?.length || settings.entrypoint?.length
    if (told || !image.inspection || image.inspection.hasCommand) return
    throw badRequest(`Image ${image.id} says no command to run (no ENTRYPOINT, no CMD), `
      + 'so a server made from it would have nothing to do. '
      + 'Set the image property os_command_line, or the server metadata docker:command.', { field: 'imageRef' })
  }

  /** Servers that links and shared networks name must be the caller's own and alive. */
  async referrals(caller: RequestContext, server: Pick<Server, 'metadata'>): Promise<void> {
    const ids = referredServers(dockerSettings(server.metadata, metadataPrefix))
    const found = await serversByIds(this.#parts.db, ids)
    for (const id of ids) {
      const other = found.get(id)
      if (!other || other.deleted || other.projectId !== caller.projectId) throw badRequest(
        `Server ${id}, which docker:links or docker:network_mode names, could not be found.`,
      )
      if (other.vmState === 'error') throw conflict(`Server ${id}, which this one refers to, is in ERROR.`)
    }
  }
}
