/** Transfers: a volume is offered under a key, and whoever knows the key takes it into their project. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { snapshotsOfVolume, snapshotUpdate } from '../store/snapshots.ts'
import { transferAccepted, transferDelete, transferFetch, transferInsert, transfersList } from '../store/transfers.ts'
import { typeFetch } from '../store/types.ts'
import { volumeFetch, volumeMove, volumeTryMove } from '../store/volumes.ts'
import { giveBack, take } from './charges.ts'
import type { Transfer, Volume } from './model.ts'
import type { CinderParts } from './parts.ts'
import { snapshotAmounts, snapshotSubject, volumeAmounts, volumeSubject } from './quota-words.ts'
import { invalidVolume } from './refusals.ts'
import type { Volumes } from './volumes.ts'

const keyBytes = 8
const hashOf = (salt: string, key: string): string => createHmac('sha1', salt).update(key).digest('hex')

export class Transfers {
  readonly #parts: CinderParts
  readonly #volumes: Volumes
  constructor(parts: CinderParts, volumes: Volumes) {
    this.#parts = parts
    this.#volumes = volumes
  }

  /** The key is told once, here. */
  async create(
    ctx: RequestContext,
    asked: { volumeId: string; name: string; noSnapshots: boolean },
  ): Promise<{ transfer: Transfer; key: string }> {
    const key = randomBytes(keyBytes).toString('hex')
    const salt = randomBytes(keyBytes / 2).toString('hex')
    return this.#parts.db.transaction(async (tx) => {
      const volume = await this.#volumes.fetch(ctx, tx, asked.volumeId, 'volume:create_transfer')
      await this.#offer(tx, volume)
      const transfer: Transfer = {
        id: uuid(),
        volumeId: volume.id,
        projectId: volume.projectId,
        name: asked.name,
        salt,
        keyHash: hashOf(salt, key),
        noSnapshots: asked.noSnapshots,
        destinationProjectId: null,
        accepted: false,
        createdAt: this.#parts.clock.now(),
      }
      await transferInsert(tx, transfer)
      return { transfer, key }
    })
  }

  async #offer(tx: Tx, volume: Volume): Promise<void> {
    const moved = volume.task === null && (await volumeTryMove(tx, volume.id, 'offered'))
    if (!moved) throw invalidVolume('status must be available', { status: volume.status })
    tx.emit('cinder.volume.changed', { id: volume.id })
  }

  async fetch(ctx: RequestContext, id: string): Promise<Transfer> {
    const transfer = await transferFetch(this.#parts.db, id)
    if (!transfer || !ctx.can('volume:get_transfer', { project_id: transfer.projectId })) throw missing(id)
    return transfer
  }

  list(projectId: string | undefined): Promise<Transfer[]> {
    return transfersList(this.#parts.db, projectId)
  }

  async delete(ctx: RequestContext, id: string): Promise<void> {
    const { projectId, volumeId } = await this.fetch(ctx, id)
    ctx.enforce('volume:delete_transfer', { project_id: projectId })
    await this.#parts.db.transaction(async (tx) => {
      await transferDelete(tx, id)
      await volumeTryMove(tx, volumeId, 'settledFree', { updatedAt: this.#parts.clock.now() })
      tx.emit('cinder.volume.changed', { id: volumeId })
    })
  }

  /** The volume, its snapshots and what they hold of quota become the caller's project's, all or nothing. */
  async accept(ctx: RequestContext, id: string, key: string): Promise<Transfer> {
    ctx.enforce('volume:accept_transfer')
    return this.#parts.db.transaction(async (tx) => {
      const transfer = await keyed(tx, id, key)
      const volume = await volumeFetch(tx, transfer.volumeId)
      if (!volume || !(await transferAccepted(tx, id, ctx.projectId))) throw missing(id)
      await this.#hand(tx, volume, ctx)
      if (!transfer.noSnapshots) await this.#handSnapshots(tx, volume, ctx)
      return transfer
    })
  }

  async #hand(tx: Tx, volume: Volume, { projectId, userId }: RequestContext): Promise<void> {
    const { id, sizeGiB } = volume
    const amounts = volumeAmounts(sizeGiB, await this.#typeName(tx, volume.typeId))
    const subjects = volume.charges.map(({ subject }) => subject)
    await giveBack(this.#parts, tx, volume.projectId, subjects)
    const charge = await take(this.#parts, tx, { projectId, subject: volumeSubject(id), amounts })
    const updatedAt = this.#parts.clock.now()
    await volumeMove(tx, id, 'settledFree', { projectId, userId, charges: [charge], updatedAt })
    tx.emit('cinder.volume.changed', { id })
  }

  async #handSnapshots(tx: Tx, volume: Volume, { projectId, userId }: RequestContext): Promise<void> {
    for (const snapshot of await snapshotsOfVolume(tx, volume.id)) {
      const subject = snapshotSubject(snapshot.id)
      const amounts = snapshotAmounts(snapshot.sizeGiB, await this.#typeName(tx, snapshot.typeId))
      await giveBack(this.#parts, tx, snapshot.projectId, [subject])
      await take(this.#parts, tx, { projectId, subject, amounts })
      await snapshotUpdate(tx, snapshot.id, { projectId, userId, updatedAt: this.#parts.clock.now() })
    }
  }

  async #typeName(executor: Executor, typeId: string): Promise<string> {
    return (await typeFetch(executor, typeId))?.name ?? typeId
  }
}

const missing = (id: string) => notFound(`Transfer ${id} could not be found.`)

const keyed = async (tx: Tx, id: string, key: string): Promise<Transfer> => {
  const transfer = await transferFetch(tx, id)
  if (!transfer) throw missing(id)
  const given = Buffer.from(hashOf(transfer.salt, key))
  if (!timingSafeEqual(given, Buffer.from(transfer.keyHash)))
    throw badRequest('Invalid auth key: Attempt to transfer with invalid auth key.', { field: 'auth_key' })
  return transfer
}
