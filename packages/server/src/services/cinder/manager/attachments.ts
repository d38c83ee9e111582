/** Attachments: who holds a volume, and the statuses of the volume that follow from it. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import {
  attachmentDelete,
  attachmentFetch,
  attachmentInsert,
  attachmentsList,
  attachmentsOfVolume,
  attachmentTryMove,
  type AttachmentFilter,
} from '../store/attachments.ts'
import { volumeFetch, volumeMove, volumeTryMove, volumeUpdate } from '../store/volumes.ts'
import type { VolumeEvent } from '../states/volume.ts'
import type { Attachment, Volume } from './model.ts'
import type { CinderParts } from './parts.ts'
import { anyOf, invalidVolume, noAttachment, noVolume } from './refusals.ts'

export interface AttachmentAsk {
  id?: string
  volumeId: string
  serverId: string | null
  mode: 'rw' | 'ro' | null
  byCompute: boolean
}

type Connector = Record<string, unknown>

export class Attachments {
  readonly #parts: CinderParts
  constructor(parts: CinderParts) {
    this.#parts = parts
  }

  /** Keeps the volume for a server: from then on nobody else gets it. Idempotent by id. */
  async reserveIn(tx: Tx, volume: Volume, asked: AttachmentAsk): Promise<Attachment> {
    const before = asked.id === undefined ? undefined : await attachmentFetch(tx, asked.id)
    if (before) return before
    await this.#assertReservable(tx, volume, asked.serverId)
    await this.#move(tx, volume.id, 'reserved')
    const at = this.#parts.clock.now()
    const attachment: Attachment = {
      id: asked.id ?? uuid(),
      volumeId: volume.id,
      projectId: volume.projectId,
      serverId: asked.serverId,
      status: 'reserved',
      hostName: null,
      device: null,
      mode: volume.readOnly ? 'ro' : (asked.mode ?? 'rw'),
      connector: null,
      byCompute: asked.byCompute,
      attachedAt: null,
      detachedAt: null,
      createdAt: at,
      updatedAt: at,
    }
    await attachmentInsert(tx, attachment)
    return attachment
  }

  /** A server that has the volume already may reserve it once more, as it does when it moves. */
  async #assertReservable(tx: Tx, volume: Volume, serverId: string | null): Promise<void> {
    const states = volume.multiattach ? ['available', 'in-use', 'downloading'] : ['available', 'downloading']
    const isIdle = volume.task === null || volume.task.do === 'extend'
    if (states.includes(volume.status) && volume.status !== 'downloading' && isIdle) return
    if (serverId !== null && ['in-use', 'reserved'].includes(volume.status)) {
      const held = await attachmentsOfVolume(tx, volume.id)
      if (held.some((attachment) => attachment.serverId === serverId)) return
    }
    throw invalidVolume(
      `Volume ${volume.id} status must be ${anyOf(states)} to reserve, but the current status is ${volume.status}.`,
      { status: volume.status },
    )
  }

  /** It is being plugged in there. */
  async beginIn(
    tx: Tx,
    attachment: Attachment,
    fields: Pick<Attachment, 'hostName' | 'device'> & { connector?: Connector },
  ): Promise<void> {
    await attachmentTryMove(tx, attachment.id, 'began', { ...fields, updatedAt: this.#parts.clock.now() })
    await volumeTryMove(tx, attachment.volumeId, 'attaching', { updatedAt: this.#parts.clock.now() })
    tx.emit('cinder.volume.changed', { id: attachment.volumeId })
  }

  async completeIn(tx: Tx, attachment: Attachment): Promise<void> {
    const at = this.#parts.clock.now()
    const attachedAt = attachment.attachedAt ?? at
    if (!(await attachmentTryMove(tx, attachment.id, 'completed', { attachedAt, updatedAt: at }))) return
    await this.#move(tx, attachment.volumeId, 'attached')
  }

  /** The attachment is over; the volume is free, or still in use by others. */
  async releaseIn(tx: Tx, attachment: Attachment): Promise<void> {
    await attachmentDelete(tx, attachment.id)
    await this.settleIn(tx, attachment.volumeId)
  }

  /** What is left decides: in use while anybody has it, free when nobody does. */
  async settleIn(tx: Tx, volumeId: string): Promise<void> {
    const left = await attachmentsOfVolume(tx, volumeId)
    const event = left.some(({ status }) => ['attached', 'detaching'].includes(status)) ? 'kept' : 'released'
    if (event === 'released' && left.length > 0) return
    await volumeTryMove(tx, volumeId, event, { updatedAt: this.#parts.clock.now() })
    const volume = await volumeFetch(tx, volumeId)
    // Work that goes on ends in what is true by then.
    if (volume?.task) await volumeUpdate(tx, volumeId, { previousStatus: event === 'kept' ? 'in-use' : 'available' })
    tx.emit('cinder.volume.changed', { id: volumeId })
  }

  /** Whatever it said of itself: nobody has it, so it is free. */
  async freeIn(tx: Tx, volumeId: string): Promise<void> {
    if ((await attachmentsOfVolume(tx, volumeId)).length > 0) return
    await volumeUpdate(tx, volumeId, { status: 'available', updatedAt: this.#parts.clock.now() })
  }

  async detachBeginIn(tx: Tx, attachment: Attachment): Promise<void> {
    const updatedAt = this.#parts.clock.now()
    if (!(await attachmentTryMove(tx, attachment.id, 'detachBegan', { updatedAt }))) throw notDetachable(attachment)
    const volume = await volumeFetch(tx, attachment.volumeId)
    if (volume?.status === 'in-use' && !volume.multiattach) await this.#move(tx, attachment.volumeId, 'detaching')
  }

  async detachUndoIn(tx: Tx, attachment: Attachment): Promise<void> {
    const updatedAt = this.#parts.clock.now()
    await attachmentTryMove(tx, attachment.id, 'detachUndone', { updatedAt })
    if (await volumeTryMove(tx, attachment.volumeId, 'rolledBack', { updatedAt }))
      tx.emit('cinder.volume.changed', { id: attachment.volumeId })
  }

  async #move(tx: Tx, volumeId: string, event: VolumeEvent): Promise<void> {
    await volumeMove(tx, volumeId, event, { updatedAt: this.#parts.clock.now() })
    tx.emit('cinder.volume.changed', { id: volumeId })
  }

  async create(ctx: RequestContext, asked: AttachmentAsk, connector: Connector | null): Promise<Attachment> {
    return this.#parts.db.transaction(async (tx) => {
      const volume = await volumeFetch(tx, asked.volumeId)
      const target = { project_id: volume?.projectId }
      if (!volume || !ctx.can('volume:get', target)) throw noVolume(asked.volumeId)
      ctx.enforce('volume:attachment_create', target)
      if (volume.status.includes('error')) {
        throw invalidVolume(
          'Volume attachments can not be created if the volume is in an error state. ' +
            `The Volume ${volume.id} currently has a status of: ${volume.status}`,
        )
      }
      if (volume.multiattach && volume.bootable && volume.status === 'in-use')
        ctx.enforce('volume:multiattach_bootable_volume', target)
      const attachment = await this.reserveIn(tx, volume, asked)
      if (connector) await this.beginIn(tx, attachment, readConnector(connector))
      return (await attachmentFetch(tx, attachment.id))!
    })
  }

  async fetch(ctx: RequestContext, executor: Executor, id: string, rule?: string): Promise<Attachment> {
    const attachment = await attachmentFetch(executor, id)
    const target = { project_id: attachment?.projectId }
    if (!attachment || !ctx.can('volume:get', target)) throw noAttachment(id)
    if (rule !== undefined) ctx.enforce(rule, target)
    return attachment
  }

  show(ctx: RequestContext, id: string): Promise<Attachment> {
    return this.fetch(ctx, this.#parts.db, id)
  }

  async list(
    ctx: RequestContext,
    filter: AttachmentFilter,
    page: { marker?: string; limit?: number; offset?: number },
  ): Promise<Attachment[]> {
    const after = page.marker === undefined ? undefined : await this.show(ctx, page.marker)
    const sort = [
      { column: 'created_at', direction: 'desc' as const },
      { column: 'id', direction: 'desc' as const },
    ]
    return attachmentsList(this.#parts.db, filter, { ...page, sort, after })
  }

  async update(ctx: RequestContext, id: string, connector: Connector): Promise<Attachment> {
    return this.#parts.db.transaction(async (tx) => {
      const attachment = await this.fetch(ctx, tx, id, 'volume:attachment_update')
      const volume = (await volumeFetch(tx, attachment.volumeId))!
      if (volume.status.includes('error')) {
        throw conflict(
          'Volume attachments can not be updated if the volume is in an error state. ' +
            `The Volume ${volume.id} currently has a status of: ${volume.status}`,
        )
      }
      await this.beginIn(tx, attachment, readConnector(connector))
      return (await attachmentFetch(tx, id))!
    })
  }

  async complete(ctx: RequestContext, id: string): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      await this.completeIn(tx, await this.fetch(ctx, tx, id, 'volume:attachment_complete'))
    })
  }

  /** What Nova holds, Nova lets go of: a client who took it away here would leave it in the server. */
  async delete(ctx: RequestContext, id: string): Promise<Attachment[]> {
    return this.#parts.db.transaction(async (tx) => {
      const attachment = await this.fetch(ctx, tx, id, 'volume:attachment_delete')
      assertNotNovas(attachment)
      await this.releaseIn(tx, attachment)
      return attachmentsOfVolume(tx, attachment.volumeId)
    })
  }

  async attach(
    tx: Tx,
    volume: Volume,
    asked: { serverId: string | null; hostName: string | null; device: string; mode: 'rw' | 'ro' },
  ): Promise<void> {
    const states = volume.multiattach ? ['available', 'attaching', 'in-use'] : ['available', 'attaching']
    if (!states.includes(volume.status))
      throw invalidVolume(
        `Volume ${volume.id} status must be ${anyOf(states)} to attach, but it is ${volume.status}.`,
      )
    if (volume.readOnly && asked.mode !== 'ro')
      throw badRequest(`Invalid attaching mode '${asked.mode}' for volume ${volume.id}.`, { field: 'mode' })
    const at = this.#parts.clock.now()
    await attachmentInsert(tx, {
      id: uuid(),
      volumeId: volume.id,
      projectId: volume.projectId,
      serverId: asked.serverId,
      status: 'attached',
      hostName: asked.hostName,
      device: asked.device,
      mode: asked.mode,
      connector: null,
      byCompute: false,
      attachedAt: at,
      detachedAt: null,
      createdAt: at,
      updatedAt: at,
    })
    await this.#move(tx, volume.id, 'attached')
  }

  async detach(tx: Tx, volume: Volume, attachmentId: string | undefined): Promise<void> {
    const held = await attachmentsOfVolume(tx, volume.id)
    if (attachmentId === undefined && held.length > 1) {
      throw invalidVolume('Detach volume failed: More than one attachment, but no attachment_id provided.')
    }
    const attachment = attachmentId === undefined ? held[0] : held.find(({ id }) => id === attachmentId)
    if (attachmentId !== undefined && !attachment) throw noAttachment(attachmentId)
    if (!attachment) return this.settleIn(tx, volume.id)
    assertNotNovas(attachment)
    await this.releaseIn(tx, attachment)
  }

  async reserve(tx: Tx, volume: Volume): Promise<void> {
    const states = volume.multiattach ? ['available', 'in-use'] : ['available']
    if (!states.includes(volume.status) || volume.task !== null) {
      throw invalidVolume(`Volume status must be ${anyOf(states)} to reserve, but the status is ${volume.status}.`)
    }
    await this.#move(tx, volume.id, 'attaching')
  }

  async beginDetaching(tx: Tx, volume: Volume): Promise<void> {
    const held = await attachmentsOfVolume(tx, volume.id)
    if (volume.status !== 'in-use' || !held.some(({ status }) => status === 'attached')) {
      throw invalidVolume(
        "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.",
      )
    }
    await this.#move(tx, volume.id, 'detaching')
  }

  async rollDetaching(tx: Tx, volume: Volume): Promise<void> {
    if (await volumeTryMove(tx, volume.id, 'rolledBack')) tx.emit('cinder.volume.changed', { id: volume.id })
  }

  /** Nova's own attachments are not undone behind its back. */
  async assertNoneOfNova(tx: Tx, volume: Volume): Promise<void> {
    for (const attachment of await attachmentsOfVolume(tx, volume.id)) assertNotNovas(attachment)
  }
}

const assertNotNovas = ({ byCompute, serverId }: Attachment): void => {
  if (byCompute)
    throw conflict(`Detach volume from instance ${serverId} using the Compute API`, { reason: 'compute' })
}

const notDetachable = ({ id, status }: Attachment) =>
  invalidVolume(
    `Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach. ` +
      `Attachment ${id} is ${status}.`,
  )

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)

const readConnector = (connector: Connector) => ({
  connector,
  hostName: textOf(connector.host),
  device: textOf(connector.mountpoint),
})
