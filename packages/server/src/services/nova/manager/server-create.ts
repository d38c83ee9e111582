/** Creating servers: every rule is checked first, then one transaction makes them all, or none. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import { hexId, uuid } from '#platform/ids/ids.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import { actionInsert } from '../store/actions.ts'
import { keypairFetch } from '../store/keypairs.ts'
import { serverInsert } from '../store/servers.ts'
import { power } from '../states/server-state.ts'
import { CreateChecks } from './create-checks.ts'
import type { Flavors } from './flavors.ts'
import { hostnameOf, nameOfMember } from './hostnames.ts'
import type { Flavor, Keypair, SecurityGroupRef, Server, ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'
import { amountsOf, inQuotaWords, serverSubject } from './quota-words.ts'
import { planPorts, portOf } from './requested-networks.ts'
import type { NetworksAsk, PortPlan } from './requested-networks.ts'
import type { Personality } from './seed-files.ts'
import { workloadSpec } from './workload-spec.ts'

export interface CreateRequest {
  name: string
  description: string | null
  hostname?: string
  flavorId: string
  imageId: string
  keyName?: string
  metadata: Record<string, string>
  tags: string[]
  userData?: string
  personality: Personality[]
  networks: NetworksAsk
  /** Names or ids; undefined: `default`. */
  securityGroups?: string[]
  zone?: string
  forcedHost?: string
  configDrive: boolean
  diskConfig: 'AUTO' | 'MANUAL'
  accessIpV4?: string
  accessIpV6?: string
  hints: Record<string, unknown>
  trustedCerts?: string[]
  countMin: number
  countMax: number
}

/** Everything a create needs to know, looked up and found good. */
interface Prepared {
  flavor: Flavor
  image: ImageInfo
  keypair?: Keypair
  ports: PortPlan[]
  /** Ids of the servers that settings refer to. */
  referred: Map<string, string>
  securityGroups: SecurityGroupRef[]
  group?: ServerGroup
  reservationId: string
}

export class ServerCreate {
  readonly #parts: NovaParts
  readonly #flavors: Flavors
  readonly #checks: CreateChecks
  constructor(parts: NovaParts, flavors: Flavors) {
    this.#parts = parts
    this.#flavors = flavors
    this.#checks = new CreateChecks(parts)
  }

  async create(caller: RequestContext, asked: CreateRequest): Promise<Server[]> {
    const prepared = await this.#prepare(caller, asked)
    const drafts = Array.from({ length: asked.countMax }, (_, index) => this.#draft(caller, asked, prepared, index))
    this.#checks.settings(caller, drafts[0]!)
    this.#checks.command(prepared.image, drafts[0]!)
    return inQuotaWords(() => this.#commit(caller, asked, prepared, drafts))
  }

  /** Fewer than `countMax` are made when quota holds no more, but never fewer than `countMin`. */
  async #commit(caller: RequestContext, asked: CreateRequest, prepared: Prepared, drafts: Server[]): Promise<Server[]> {
    for (let count = drafts.length; ;) {
      const batch = drafts.slice(0, count)
      let written = 0
      try {
        await this.#parts.db.transaction(async (tx) => {
          written = 0
          await this.#assertRoom(tx, caller.projectId, { asked, prepared })
          for (const server of batch) {
            await this.#write(tx, caller, { asked, prepared, server })
            written++
          }
        })
        return batch
      } catch (error) {
        if (!isRefusal(error) || error.kind !== 'overLimit' || written < asked.countMin) throw error
        count = written
      }
    }
  }

  /**
   * What must be made at least is asked of quota as one, and given back at once to be taken by each server: so that a
   * refusal counts all of it, and lent capacity is taken back for all of it.
   */
  async #assertRoom(
    tx: Tx, projectId: string, { asked, prepared }: { asked: CreateRequest; prepared: Prepared },
  ): Promise<void> {
    const { countMin } = asked
    if (countMin < 2) return
    const { quota } = this.#parts.facades
    const subject = `nova:reservation:${prepared.reservationId}`
    const deltas = Object.fromEntries(
      Object.entries(amountsOf(prepared.flavor)).map(([resource, amount]) => [resource, amount * countMin]),
    )
    await quota.reserve(tx, { projectId, deltas, subject, reclaimable: 'yes' })
    await quota.cancel(tx, subject)
  }

  async #prepare(caller: RequestContext, asked: CreateRequest): Promise<Prepared> {
    const flavor = await this.#flavor(caller, asked.flavorId)
    const image = await this.#checks.image(caller, asked.imageId, flavor)
    await this.#checks.amounts(caller, asked)
    await this.#checks.zone(asked)
    const keypair = await this.#keypair(caller, asked.keyName)
    const networks = this.#checks.network({ flavor, metadata: asked.metadata }, asked.networks)
    const ports = await planPorts(this.#parts.facades.neutron, caller, networks, asked.countMax)
    const referred = await this.#checks.referrals({ metadata: asked.metadata, projectId: caller.projectId })
    const securityGroups = await this.#checks.securityGroups(caller, asked.securityGroups)
    const group = await this.#checks.group(caller, asked.hints, asked.countMax)
    const reservationId = `r-${hexId().slice(0, 8)}`
    return { flavor, image, keypair, ports, referred, securityGroups, group, reservationId }
  }

  async #flavor(caller: RequestContext, id: string): Promise<Flavor> {
    try {
      return await this.#flavors.fetch(caller, id)
    } catch (error) {
      if (isRefusal(error) && error.kind === 'notFound') throw badRequest(
        `Flavor ${id} could not be found.`, { field: 'flavorRef' }, error,
      )
      throw error
    }
  }

  async #keypair(caller: RequestContext, name: string | undefined): Promise<Keypair | undefined> {
    if (name === undefined) return undefined
    const keypair = await keypairFetch(this.#parts.db, caller.userId, name)
    if (!keypair) throw badRequest('Invalid key_name provided.', { field: 'key_name' })
    return keypair
  }

  #draft(caller: RequestContext, asked: CreateRequest, prepared: Prepared, index: number): Server {
    const id = uuid()
    const now = this.#parts.clock.now()
    const name = nameOfMember(asked.name, index, asked.countMax)
    const { keypair } = prepared
    return {
      id, projectId: caller.projectId, userId: caller.userId, name, description: asked.description,
      hostname: asked.hostname ? nameOfMember(asked.hostname, index, asked.countMax) : hostnameOf(name, id),
      imageId: prepared.image.id, flavor: prepared.flavor, oldFlavor: null,
      keyName: keypair?.name ?? null, keyData: keypair?.type === 'ssh' ? keypair.publicKey : null,
      metadata: asked.metadata, tags: asked.tags, userData: asked.userData ?? null, configDrive: asked.configDrive,
      diskConfig: asked.diskConfig, accessIpV4: asked.accessIpV4 ?? null, accessIpV6: asked.accessIpV6 ?? null,
      pinnedZone: asked.zone ?? null, zone: null, launchIndex: index, reservationId: prepared.reservationId,
      lockedBy: null, lockedReason: null, groupId: prepared.group?.id ?? null, hints: asked.hints,
      securityGroups: prepared.securityGroups, trustedCerts: asked.trustedCerts ?? null,
      vmState: 'building', taskState: 'scheduling', powerState: power.noState, forcedState: null, progress: 0,
      host: null,
      fault: null, awaited: 0, createdAt: now, updatedAt: now, launchedAt: null, terminatedAt: null, deletedAt: null,
      deleted: false,
    }
  }

  async #write(
    tx: Tx, caller: RequestContext,
    { asked, prepared, server }: { asked: CreateRequest; prepared: Prepared; server: Server },
  ): Promise<void> {
    const { quota, workloads } = this.#parts.facades
    // A server that comes back under its name is the same to quota: reclaimed, it has to cool down (ADR 0010).
    await quota.reserve(tx, {
      projectId: server.projectId, deltas: amountsOf(server.flavor), subject: serverSubject(server.id),
      reclaimable: 'yes', started: true, lineage: `nova:${server.projectId}:${server.name}`,
    })
    await this.#writePorts(tx, server, prepared.ports)
    const spec = workloadSpec({
      server, image: prepared.image, forcedHost: asked.forcedHost, group: prepared.group,
      personality: asked.personality,
      networked: prepared.ports.length > 0, referred: prepared.referred,
    })
    const workload = await workloads.ensure(tx, {
      id: server.id, ownerService: 'nova', projectId: server.projectId, userId: server.userId, name: server.name, spec,
    })
    await serverInsert(tx, { ...server, awaited: workload.generation })
    await actionInsert(tx, {
      serverId: server.id, action: 'create', event: 'compute__do_build_and_run_instance', requestId: caller.requestId,
      userId: caller.userId, projectId: caller.projectId, generation: workload.generation, host: null, message: null,
      result: null, details: null, startedAt: server.createdAt, finishedAt: null,
    })
  }

  async #writePorts(tx: Tx, server: Server, plans: PortPlan[]): Promise<void> {
    for (const plan of plans) {
      try {
        await this.#parts.facades.neutron.portEnsure(tx, portOf(plan, server))
      } catch (error) {
        if (!isRefusal(error) || error.kind !== 'conflict' || !plan.fixedIp) throw error
        throw badRequest(
          `Fixed IP address ${plan.fixedIp} is already in use on instance: ${error.message}`, error.details, error,
        )
      }
    }
  }
}
