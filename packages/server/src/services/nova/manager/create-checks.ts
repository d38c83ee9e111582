/** The rules a create or a rebuild must meet before anything is written. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, forbidden, isRefusal, overLimit } from '#platform/errors/errors.ts'
import { isUuid } from '#platform/ids/ids.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import { hasWorkload } from '../states/server-state.ts'
import { serverGroupFetch } from '../store/server-groups.ts'
import { serversByIds, serversByName } from '../store/servers.ts'
import {
  dockerSettings, metadataPrefix, privilegedOptions, referredServers, settingsOfServer,
} from './docker-options.ts'
import type { Flavor, Personality, SecurityGroupRef, Server, ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'
import type { NetworksAsk } from './requested-networks.ts'

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
    const items = Object.keys(metadata).length
    if (items === 0 && personality.length === 0) return
    const limits = await this.#parts.facades.quota.limits(projectId)
    const exceeds = (resource: string, asked: number) => (limits[resource] ?? -1) >= 0 && asked > limits[resource]!
    if (exceeds('metadata_items', items)) {
      throw forbidden(`Maximum number of metadata items exceeds ${limits.metadata_items}`, {
        asked: items, limit: limits.metadata_items,
      })
    }
    if (exceeds('injected_files', personality.length)) throw forbidden(
      'Personality file limit exceeded', { asked: personality.length, limit: limits.injected_files },
    )
    const bytes = personality.map((file) => Buffer.from(file.contents, 'base64').length)
    if (bytes.some((size) => exceeds('injected_file_content_bytes', size))) throw forbidden(
      `Personality file content exceeds maximum ${limits.injected_file_content_bytes}`,
    )
    if (personality.some((file) => exceeds('injected_file_path_bytes', Buffer.byteLength(file.path)))) throw forbidden(
      `Personality file path exceeds maximum ${limits.injected_file_path_bytes}`,
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
    const settings = settingsOfServer(server)
    const told = image.properties.os_command_line || settings.command?.length || settings.entrypoint?.length
    if (told || !image.inspection || image.inspection.hasCommand) return
    throw badRequest(`Image ${image.id} says no command to run (no ENTRYPOINT, no CMD), `
      + 'so a server made from it would have nothing to do. '
      + 'Set the image property os_command_line, or the server metadata docker:command.', { field: 'imageRef' })
  }

  /** Servers that links and shared networks name must be of the same project and alive. Answers their ids. */
  async referrals(server: Pick<Server, 'metadata' | 'projectId'>): Promise<Map<string, string>> {
    const ids = new Map<string, string>()
    const settings = dockerSettings(server.metadata, metadataPrefix)
    for (const reference of referredServers(settings)) {
      const other = await this.#referred(reference, server.projectId)
      if (settings.networkMode === `container:${reference}` && !hasWorkload(other)) throw conflict(
        `Server ${reference} waits for quota: its network can be shared when it has been built.`,
      )
      ids.set(reference, other.id)
    }
    return ids
  }

  async #referred(reference: string, projectId: string): Promise<Server> {
    const { db } = this.#parts
    const byId = isUuid(reference) ? [...(await serversByIds(db, [reference])).values()] : []
    const found = byId.length ? byId : await serversByName(db, projectId, reference)
    const [other, another] = found.filter((one) => !one.deleted && one.projectId === projectId)
    if (!other) throw badRequest(
      `Server ${reference}, which docker:links or docker:network_mode names, could not be found.`,
    )
    if (another) throw conflict(`Several servers are named ${reference}: refer to the one you mean by its id.`)
    if (other.vmState === 'error') throw conflict(`Server ${reference}, which this one refers to, is in ERROR.`)
    return other
  }

  /** Ports of Neutron are on a tenant's network only: whoever asks for both is told. */
  network(server: Pick<Server, 'metadata' | 'flavor'>, asked: NetworksAsk): NetworksAsk {
    const { networkMode = 'tenant' } = settingsOfServer(server)
    if (networkMode === 'tenant') return asked
    if (Array.isArray(asked) && asked.length) throw badRequest(
      `A server whose network mode is '${networkMode}' has no ports: ask for no networks, or for mode 'tenant'.`,
      { field: 'networks' },
    )
    return 'none'
  }
}
