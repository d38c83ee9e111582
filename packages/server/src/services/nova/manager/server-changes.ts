/** Orders that change what a server is: rebuild, resize and its end, snapshot, password. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import { badRequest, conflict, isRefusal, unsupported } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { Workload } from '#services/workloads/facade.ts'
import { actionFinish } from '../store/actions.ts'
import { keypairFetch } from '../store/keypairs.ts'
import { migrationInsert, migrationMove, migrationsList } from '../store/migrations-list.ts'
import { serverFetch, serverUpdate } from '../store/servers.ts'
import { snapshotInsert } from '../store/snapshots.ts'
import { pictures } from '../states/server-state.ts'
import { CreateChecks } from './create-checks.ts'
import type { Flavors } from './flavors.ts'
import type { Flavor, Personality, Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import {
  diskGrowthOf, diskGrowthSubject, diskSubject, growthOf, inQuotaWords, resizeAsksOf, resizeSubject, serverSubject,
} from './quota-words.ts'
import type { Actor, ServerOrders } from './server-orders.ts'
import { resourcesOf, workloadSpec } from './workload-spec.ts'

export interface RebuildRequest {
  imageId: string
  name?: string
  description?: string | null
  hostname?: string
  metadata?: Record<string, string>
  /** `null` takes the key away. */
  keyName?: string | null
  userData?: string | null
  accessIpV4?: string
  accessIpV6?: string
  diskConfig?: 'AUTO' | 'MANUAL'
  trustedCerts?: string[] | null
  personality: Personality[]
}

export interface ResizeRequest { flavorId: string; diskConfig?: 'AUTO' | 'MANUAL' }

const given = <T extends object>(change: T): T =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as T

interface ImageWish { name: string; metadata: Record<string, string> }
/** `rotation`: how many backups of this type are kept. */
interface BackupWish extends ImageWish { backupType: string; rotation: number }
interface SnapshotWish extends ImageWish {
  order: 'createImage' | 'createBackup'
  imageType: 'snapshot' | 'backup'
  rotation?: number
}

export class ServerChanges {
  readonly #parts: NovaParts
  readonly #flavors: Flavors
  readonly #orders: ServerOrders
  readonly #checks: CreateChecks
  constructor(parts: NovaParts, flavors: Flavors, orders: ServerOrders) {
    this.#parts = parts
    this.#flavors = flavors
    this.#orders = orders
    this.#checks = new CreateChecks(parts)
  }

  async rebuild(caller: RequestContext, server: Server, asked: RebuildRequest): Promise<Server> {
    const image = await this.#checks.image(caller, asked.imageId, server.flavor)
    const change = await this.#rebuilt(caller, asked)
    const next: Server = { ...server, ...change }
    await this.#checks.amounts(server, { metadata: next.metadata, personality: asked.personality })
    this.#checks.settings(caller, next)
    this.#checks.command(image, next)
    const workload = await this.#workload(server)
    const spec = workloadSpec({
      server: next, image, personality: asked.personality, networked: workload.spec.networkMode === 'tenant',
      referred: await this.#checks.referrals(next),
    })
    if (spec.networkMode !== workload.spec.networkMode) throw badRequest(
      `A rebuild keeps the network mode '${workload.spec.networkMode}': for '${spec.networkMode}' make a new server.`,
      { field: 'metadata' },
    )
    const order = { do: 'rebuild' as const, spec: { ...spec, scheduling: workload.spec.scheduling } }
    return this.#parts.db.transaction(async (tx) => {
      const given = await this.#orders.give(tx, caller, server.id, () => ({ name: 'rebuild', order, change }))
      if (next.name !== server.name) await this.#parts.facades.workloads.rename(tx, server.id, next.name)
      return given.server
    })
  }

  async #rebuilt(caller: RequestContext, asked: RebuildRequest): Promise<Partial<Server>> {
    return given({
      imageId: asked.imageId, name: asked.name, description: asked.description, hostname: asked.hostname,
      metadata: asked.metadata,
      userData: asked.userData, accessIpV4: asked.accessIpV4, accessIpV6: asked.accessIpV6,
      diskConfig: asked.diskConfig,
      trustedCerts: asked.trustedCerts, ...(await this.#rekeyed(caller, asked.keyName)),
    })
  }

  async #rekeyed(caller: RequestContext, name: string | null | undefined): Promise<Partial<Server>> {
    if (name === undefined) return {}
    if (name === null) return { keyName: null, keyData: null }
    const keypair = await keypairFetch(this.#parts.db, caller.userId, name)
    if (!keypair) throw badRequest('Invalid key_name provided.', { field: 'key_name' })
    return { keyName: keypair.name, keyData: keypair.type === 'ssh' ? keypair.publicKey : null }
  }

  async resize(caller: RequestContext, server: Server, asked: ResizeRequest): Promise<void> {
    const flavor = await this.#resizeTarget(caller, server, asked.flavorId)
    const { diskConfig } = asked
    const { spec } = await this.#workload(server)
    const order = { do: 'resize' as const, spec: { ...spec, resources: resourcesOf(flavor, spec.resources.pids) } }
    const migration = uuid()
    await inQuotaWords(() => this.#parts.db.transaction(async (tx) => {
      for (const ask of resizeAsksOf({ server, flavor, migration })) await this.#parts.facades.quota.reserve(tx, ask)
      await this.#orders.give(
        tx, caller, server.id,
        (now) =>
          ({ name: 'resize', order, change: { flavor, oldFlavor: now.flavor, ...(diskConfig && { diskConfig }) } }),
      )
      const now = this.#parts.clock.now()
      await migrationInsert(tx, {
        uuid: migration, serverId: server.id, projectId: server.projectId, userId: caller.userId, type: 'resize',
        status: 'migrating',
        host: server.host ?? '', oldFlavorId: server.flavor.id, newFlavorId: flavor.id, createdAt: now, updatedAt: now,
      })
    }))
  }

  async #resizeTarget(caller: RequestContext, server: Server, flavorId: string): Promise<Flavor> {
    let flavor: Flavor
    try {
      flavor = await this.#flavors.fetch(caller, flavorId)
    } catch (error) {
      if (isRefusal(error) && error.kind === 'notFound') throw badRequest(
        'Unable to locate requested flavor.', { field: 'flavorRef' }, error,
      )
      throw error
    }
    if (flavor.id === server.flavor.id) throw badRequest(
      'When resizing, instances must change flavor!', { field: 'flavorRef' },
    )
    if (flavor.diskGiB === 0 && server.flavor.diskGiB !== 0) throw badRequest(
      'Resize to zero disk flavor is not allowed.', { field: 'flavorRef' },
    )
    return flavor
  }

  /** The old flavor is forgotten and what it held beyond the new one is given back. */
  async confirmResize(caller: Actor, server: Server): Promise<void> {
    const workload = await this.#workload(server)
    await this.#parts.db.transaction(async (tx) => {
      await this.#orders.give(tx, caller, server.id, () => ({
        name: 'confirmResize',
        change: {
          oldFlavor: null, vmState: pictures[workload.state].vmState, powerState: pictures[workload.state].powerState,
        },
      }))
      if (server.oldFlavor) await this.#giveBack(tx, server, server.oldFlavor)
      await migrationMove(tx, server.id, ['finished'], 'confirmed', this.#parts.clock.now())
    })
  }

  async #giveBack(tx: Tx, { id, projectId, flavor }: Server, before: Flavor): Promise<void> {
    const less = { [serverSubject(id)]: growthOf(flavor, before), [diskSubject(id)]: diskGrowthOf(flavor, before) }
    for (const [subject, deltas] of Object.entries(less)) {
      if (!Object.values(deltas).some((amount) => amount > 0)) continue
      await this.#parts.facades.quota.release(tx, { projectId, subject, deltas })
    }
  }

  async revertResize(caller: RequestContext, server: Server): Promise<void> {
    const { oldFlavor } = server
    if (!oldFlavor) throw badRequest('Instance has not been resized.')
    const { spec } = await this.#workload(server)
    const order = { do: 'resize' as const, spec: { ...spec, resources: resourcesOf(oldFlavor, spec.resources.pids) } }
    await this.#parts.db.transaction(async (tx) => {
      await this.#orders.give(
        tx, caller, server.id, () => ({ name: 'revertResize', order, change: { flavor: oldFlavor, oldFlavor: null } }),
      )
      const [latest] = await migrationsList(tx, { serverId: server.id, status: 'finished' })
      if (latest) await this.#forgetResize(tx, server, latest.uuid)
      await migrationMove(tx, server.id, ['finished'], 'reverting', this.#parts.clock.now())
    })
  }

  async #forgetResize(tx: Tx, { id, projectId }: Server, migration: string): Promise<void> {
    for (const subject of [resizeSubject(id, migration), diskGrowthSubject(id, migration)])
      await this.#parts.facades.quota.release(tx, { projectId, subject })
  }

  /** Returns the id of the image, which is `queued` until the controller has stored it. */
  createImage(caller: RequestContext, server: Server, asked: ImageWish): Promise<string> {
    return this.#snapshot(caller, server, { ...asked, order: 'createImage', imageType: 'snapshot' })
  }

  /** The same, and of all backups of this type only the `rotation` newest are kept once it is stored. */
  createBackup(
    caller: RequestContext, server: Server, { backupType, rotation, ...asked }: BackupWish,
  ): Promise<string> {
    const metadata = { ...asked.metadata, backup_type: backupType }
    return this.#snapshot(caller, server, { ...asked, metadata, order: 'createBackup', imageType: 'backup', rotation })
  }

  async #snapshot(caller: RequestContext, server: Server, asked: SnapshotWish): Promise<string> {
    await this.#checks.amounts(server, { metadata: asked.metadata, personality: [] })
    const image = {
      id: uuid(), name: asked.name, ownerId: caller.projectId, containerFormat: 'docker', diskFormat: 'raw',
      minDiskGiB: 0, minRamMiB: 0,
      properties: await this.#imageProperties(caller, server, asked),
    }
    const { glance } = this.#parts.facades
    await this.#parts.db.transaction(async (tx) => {
      await inQuotaWords(() => glance.snapshotEnsure(image, tx))
      const { actionId } = await this.#orders.give(tx, caller, server.id, () => ({ name: asked.order }))
      await snapshotInsert(tx, {
        image_id: image.id, server_id: server.id, action_id: actionId, tries: 0,
        image: toJson({ ...image, rotation: asked.rotation }),
        created_at: this.#parts.clock.now(),
      })
      tx.emit('nova.snapshot.ordered', { id: server.id })
    })
    return image.id
  }

  async #imageProperties(
    caller: RequestContext, server: Server, { imageType, metadata }: SnapshotWish,
  ): Promise<Record<string, string>> {
    const base = server.imageId
      ? await this.#parts.facades.glance.imageFetch(server.imageId, { projectId: caller.projectId, isAdmin: true })
      : undefined
    const command = base?.properties.os_command_line
    return {
      image_type: imageType, instance_uuid: server.id, user_id: caller.userId, base_image_ref: server.imageId ?? '',
      ...(command && { os_command_line: command }), ...metadata,
    }
  }

  /** Runs `chpasswd` in the container. An image without it cannot have its password set. */
  async changePassword(caller: RequestContext, server: Server, password: string): Promise<void> {
    if (/[\r\n]/.test(password)) throw badRequest('A password may not contain a line break.', { field: 'adminPass' })
    const actionId = await this.#parts.db.transaction(async (tx) =>
      (await this.#orders.give(tx, caller, server.id, () => ({ name: 'changePassword' }))).actionId)
    const failure = await this.#setPassword(server.id, password)
    const at = this.#parts.clock.now()
    await this.#parts.db.transaction(async (tx) => {
      const now = await serverFetch(tx, server.id)
      if (now?.taskState === 'updating_password') await serverUpdate(tx, server.id, { taskState: null, updatedAt: at })
      await actionFinish(tx, actionId, {
        result: failure ? 'Error' : 'Success', at, host: server.host, details: failure ?? null,
      })
    })
    if (failure) throw failure.includes('chpasswd') ? unsupported(failure) : conflict(failure)
  }

  async #setPassword(id: string, password: string): Promise<string | undefined> {
    try {
      const result = await this.#parts.facades.workloads.exec(id, ['chpasswd'], {
        user: 'root', stdin: `root:${password}\n`,
      })
      if (result.exitCode === 0) return undefined
      return result.exitCode === 126 || result.exitCode === 127
        ? 'Unable to set password on instance: its image has no chpasswd'
        : `Failed to set admin password on ${id}: exit code ${result.exitCode}`
    } catch (error) {
      if (isRefusal(error)) return `Failed to set admin password on ${id}: ${error.message}`
      throw error
    }
  }

  async #workload(server: Server): Promise<Workload> {
    const workload = await this.#parts.facades.workloads.fetch(server.id)
    if (!workload) throw conflict(`Instance ${server.id} has no container any more: only deleting it is possible.`)
    return workload
  }
}
