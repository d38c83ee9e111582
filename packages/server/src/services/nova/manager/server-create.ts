/** Creating servers: every rule is checked first, then one transaction makes them all, or none. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import { hexId, uuid } from '#platform/ids/ids.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import type { Reservation } from '#services/quota/facade.ts'
import { actionInsert } from '../store/actions.ts'
import { keypairFetch } from '../store/keypairs.ts'
import { serverInsert } from '../store/servers.ts'
import { power } from '../states/server-state.ts'
import { CreateChecks } from './create-checks.ts'
import type { Flavors } from './flavors.ts'
import { hostnameOf, nameOfMember } from './hostnames.ts'
import type {
  BuildPlan, Flavor, Keypair, Personality, SecurityGroupRef, Server, ServerGroup, VolumeAsk,
} from './model.ts'
import type { NovaParts } from './parts.ts'
import { askOf, batchAskOf, batchSubject, hintsKept, inQuotaWords, serverSubject } from './quota-words.ts'
import { planPorts } from './requested-networks.ts'
import type { NetworksAsk } from './requested-networks.ts'
import { buildServer } from './server-build.ts'
import { hostOfVolumes, planVolumes } from './volume-plans.ts'
import type { WaitingServers } from './waiting-servers.ts'

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
  volumes: VolumeAsk[]
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
  /** When the project has no room: as its policy says, unless the request says it. */
  whenFull: 'refuse' | 'wait' | 'policy'
  /** Absent: as the policy says, else as long as it takes. */
  waitMaxMs?: number
}

/** Everything a create needs to know, looked up and found good. */
interface Prepared {
  flavor: Flavor
  image: ImageInfo
  keypair?: Keypair
  plan: BuildPlan
  securityGroups: SecurityGroupRef[]
  group?: ServerGroup
  reservationId: string
}

/** What one transaction writes, and how far it has come. */
interface Batch {
  caller: RequestContext
  asked: CreateRequest
  prepared: Prepared
  drafts: Server[]
  progress: { written: number }
}

export class ServerCreate {
  readonly #parts: NovaParts
  readonly #flavors: Flavors
  readonly #waiting: WaitingServers
  readonly #checks: CreateChecks
  constructor(parts: NovaParts, flavors: Flavors, waiting: WaitingServers) {
    this.#parts = parts
    this.#flavors = flavors
    this.#waiting = waiting
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
      const progress = { written: 0 }
      const work = (tx: Tx) => this.#writeAll(tx, { caller, asked, prepared, drafts: drafts.slice(0, count), progress })
      try {
        return await this.#parts.db.transaction(work)
      } catch (error) {
        if (!isRefusal(error) || error.kind !== 'overLimit' || progress.written < asked.countMin) throw error
        count = progress.written
      }
    }
  }

  /** Those that must be made at least wait if need be; whoever is content with fewer does not wait for more. */
  async #writeAll(tx: Tx, batch: Batch): Promise<Server[]> {
    const { caller, asked, prepared, drafts, progress } = batch
    const least = drafts.slice(0, asked.countMin)
    progress.written = 0
    const reservation = await this.#takeLeast(tx, asked, least)
    if (reservation.state === 'waiting') {
      for (const server of least) await this.#waiting.enter(tx, caller, { ...prepared, server, reservation })
      return least
    }
    if (reservation.state === 'reserved') await this.#commitEach(tx, least)
    for (const server of drafts) {
      if (!least.includes(server)) await this.#parts.facades.quota.reserve(tx, askOf(server))
      await this.#write(tx, caller, prepared, server)
      progress.written++
    }
    return drafts
  }

  /**
   * What must be made at least is asked of quota as one, and is each server's own then: so that a refusal counts all of
   * it, all of it waits or none, and lent capacity is taken back for all of it.
   */
  async #takeLeast(tx: Tx, { whenFull, waitMaxMs }: CreateRequest, servers: Server[]): Promise<Reservation> {
    const { quota } = this.#parts.facades
    const patience = { whenFull, waitMaxMs }
    if (servers.length === 1) return quota.reserve(tx, { ...askOf(servers[0]!), ...patience })
    const ask = batchAskOf(servers, batchSubject(servers[0]!.reservationId))
    const reservation = await quota.reserve(tx, { ...ask, ...patience })
    if (reservation.state !== 'waiting') await quota.handOn(tx, ask.subject, servers.map(askOf))
    return reservation
  }

  /** What was granted out of the line, in the moment in which it was to enter it. */
  async #commitEach(tx: Tx, servers: Server[]): Promise<void> {
    for (const { id } of servers) await this.#parts.facades.quota.commit(tx, serverSubject(id))
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
    const volumes = await planVolumes(this.#parts, caller, asked.volumes, asked.countMax)
    const forcedHost = asked.forcedHost ?? (await hostOfVolumes(this.#parts, volumes))
    const reservationId = `r-${hexId().slice(0, 8)}`
    const plan: BuildPlan = {
      ports, referred: Object.fromEntries(referred), forcedHost, personality: asked.personality,
      volumes,
    }
    return { flavor, image, keypair, plan, securityGroups, group, reservationId }
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
      lockedBy: null, lockedReason: null, groupId: prepared.group?.id ?? null, hints: hintsKept(asked),
      securityGroups: prepared.securityGroups, trustedCerts: asked.trustedCerts ?? null,
      vmState: 'building', taskState: 'scheduling', powerState: power.noState, forcedState: null, progress: 0,
      host: null,
      fault: null, awaited: 0, createdAt: now, updatedAt: now, launchedAt: null, terminatedAt: null, deletedAt: null,
      deleted: false,
    }
  }

  async #write(tx: Tx, caller: RequestContext, { image, group, plan }: Prepared, server: Server): Promise<void> {
    const generation = await buildServer(this.#parts, tx, { server, image, group, plan })
    await serverInsert(tx, { ...server, awaited: generation })
    await actionInsert(tx, {
      serverId: server.id, action: 'create', event: 'compute__do_build_and_run_instance', requestId: caller.requestId,
      userId: caller.userId, projectId: caller.projectId, generation, host: null, message: null,
      result: null, details: null, startedAt: server.createdAt, finishedAt: null,
    })
  }
}
