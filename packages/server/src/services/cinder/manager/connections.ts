/** The actions of old on a volume, by which attaching was told before there were attachments. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Attachments } from './attachments.ts'
import type { Volume } from './model.ts'
import type { CinderParts } from './parts.ts'
import { invalidVolume } from './refusals.ts'
import type { Volumes } from './volumes.ts'
import { volumeTryMove } from '../store/volumes.ts'

const ruleOf = (verb: string): string => `volume_extension:volume_actions:${verb}`

export class Connections {
  readonly #parts: Pick<CinderParts, 'db' | 'clock'>
  readonly #volumes: Volumes
  readonly #attachments: Attachments
  constructor(parts: Pick<CinderParts, 'db' | 'clock'>, volumes: Volumes, attachments: Attachments) {
    this.#parts = parts
    this.#volumes = volumes
    this.#attachments = attachments
  }

  attach(
    ctx: RequestContext,
    id: string,
    asked: { serverId: string | null; hostName: string | null; device: string; mode: 'rw' | 'ro' },
  ): Promise<void> {
    return this.#in(ctx, id, 'attach', (tx, volume) => this.#attachments.attach(tx, volume, asked))
  }

  detach(ctx: RequestContext, id: string, attachmentId: string | undefined): Promise<void> {
    return this.#in(ctx, id, 'detach', (tx, volume) => this.#attachments.detach(tx, volume, attachmentId))
  }

  /** An operator's way out for a volume that thinks it is attached. */
  async forceDetach(ctx: RequestContext, id: string, attachmentId: string | undefined): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const rule = 'volume_extension:volume_admin_actions:force_detach'
      const volume = await this.#volumes.fetch(ctx, tx, id, rule)
      await this.#attachments.detach(tx, volume, attachmentId)
      await this.#attachments.freeIn(tx, id)
    })
  }

  reserve(ctx: RequestContext, id: string): Promise<void> {
    return this.#in(ctx, id, 'reserve', (tx, volume) => this.#attachments.reserve(tx, volume))
  }

  unreserve(ctx: RequestContext, id: string): Promise<void> {
    return this.#in(ctx, id, 'unreserve', async (tx, volume) => {
      if (volume.status === 'attaching') await this.#attachments.settleIn(tx, id)
    })
  }

  beginDetaching(ctx: RequestContext, id: string): Promise<void> {
    return this.#in(ctx, id, 'begin_detaching', (tx, volume) => this.#attachments.beginDetaching(tx, volume))
  }

  rollDetaching(ctx: RequestContext, id: string): Promise<void> {
    return this.#in(ctx, id, 'roll_detaching', (tx, volume) => this.#attachments.rollDetaching(tx, volume))
  }

  /** Where the volume is. Hosts plug volumes in by themselves: there is nothing for a client to connect to. */
  async initialize(ctx: RequestContext, id: string, connector: Record<string, unknown>): Promise<object> {
    const volume = await this.#volumes.fetch(ctx, this.#parts.db, id, ruleOf('initialize_connection'))
    if (volume.status === 'maintenance')
      throw invalidVolume('The volume connection cannot be initialized in maintenance mode.')
    if (typeof connector.host !== 'string' && typeof connector.initiator !== 'string')
      throw badRequest("Connector doesn't have required information: host", { field: 'connector' })
    return connectionOf(volume, volume.readOnly ? 'ro' : 'rw')
  }

  terminate(ctx: RequestContext, id: string): Promise<void> {
    return this.#in(ctx, id, 'terminate_connection', async (tx, volume) => {
      await this.#attachments.assertNoneOfNova(tx, volume)
      if (volume.status === 'attaching')
        await volumeTryMove(tx, id, 'released', { updatedAt: this.#parts.clock.now() })
    })
  }

  #in(ctx: RequestContext, id: string, verb: string, work: (tx: Tx, volume: Volume) => Promise<void>): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      await work(tx, await this.#volumes.fetch(ctx, tx, id, ruleOf(verb)))
    })
  }
}

/** Upstream's shape of a volume that is at hand on its own host. */
export const connectionOf = (volume: Pick<Volume, 'id' | 'hostName'>, mode: 'rw' | 'ro') => ({
  driver_volume_type: 'local',
  data: { volume_id: volume.id, host: volume.hostName, access_mode: mode, encrypted: false, discard: false },
})
