/** Images in their owner's quota: whatever changes an image changes its claims with it, in one transaction. */
import { isDeepStrictEqual } from 'node:util'
import type { Tx } from '#platform/db/database.ts'
import { overLimit } from '#platform/errors/errors.ts'
import type { HeldByRow, QuotaOwner } from '#services/quota/facade.ts'
import { heldAfter, heldFetch, heldWrite, type HeldImage } from '../store/held.ts'
import type { GlanceParts } from './images.ts'

type Resource = keyof HeldImage['amounts']

/** By the names and units of Keystone's registered limits. */
const units: Record<Resource, string> = {
  image_count_total: '',
  image_size_total: 'MiB',
  image_stage_total: 'MiB',
  image_count_uploading: '',
}
export const imageResources = Object.keys(units) as Resource[]

/** Which of an image's two byte strings: the data itself, or what waits aside for an import. */
export type Place = 'data' | 'staged'
const places = {
  data: { column: 'data_mib', resource: 'image_size_total' },
  staged: { column: 'staged_mib', resource: 'image_stage_total' },
} as const

const mib = 1_048_576
/** Kept in advance of data of unknown length, so that not every MiB is a transaction. */
const stretchMiB = 16

/** MiB of so many bytes; one that is begun counts whole. */
export const mibOf = (bytes: number): number => Math.ceil(bytes / mib)

const prefix = 'glance:image:'
/** The record has its image's plain subject, all else one of its own. */
const subjectOf = (id: string, resource: Resource): string =>
  resource === 'image_count_total' ? prefix + id : `${prefix}${id}:${resource}`

interface Change {
  id: string
  resource: Resource
  before: HeldImage | undefined
  after: HeldImage | undefined
  /** What has come already is counted, whether or not it fits. */
  isThere: boolean
}

/** Whose quota it is in, and how much; nothing where there is none. */
const shareOf = (held: HeldImage | undefined, resource: Resource) =>
  held && held.amounts[resource] > 0 ? { projectId: held.ownerId, amount: held.amounts[resource] } : undefined

export class ImageQuota {
  readonly #parts: GlanceParts
  constructor(parts: GlanceParts) {
    this.#parts = parts
  }

  /** Tells quota what is counted, unlimited until somebody limits it, and how to count it again from rows. */
  async declare(): Promise<void> {
    const { quota } = this.#parts.facades
    quota.owns(imagesHeld(this.#parts))
    for (const name of imageResources)
      await quota.ensureResource({ name, service: 'glance', defaultLimit: -1, unit: units[name] })
  }

  /**
   * Does `work` on the image and makes its claims what it is then. Throws `overLimit`, and the work is undone, when its
   * owner may not have so much, unless it `isThere` anyway.
   */
  async follow<T>(tx: Tx, id: string, work: () => Promise<T>, isThere = false): Promise<T> {
    const before = await heldFetch(tx, id)
    const done = await work()
    const after = await heldFetch(tx, id)
    for (const resource of imageResources) await this.#claim(tx, { id, resource, before, after, isThere })
    return done
  }

  async #claim(tx: Tx, { id, resource, before, after, isThere }: Change): Promise<void> {
    const [had, has] = [shareOf(before, resource), shareOf(after, resource)]
    if (isDeepStrictEqual(had, has)) return
    const { quota } = this.#parts.facades
    const subject = subjectOf(id, resource)
    if (had) await quota.release(tx, { projectId: had.projectId, subject })
    if (!has) return
    const { projectId, amount } = has
    const whenFull = isThere || (had && amount < had.amount) ? 'count' : 'refuse'
    await quota.reserve(tx, { projectId, deltas: { [resource]: amount }, subject, started: true, whenFull })
  }

  /**
   * Before data of unknown length comes: throws `overLimit` when there is no room for any. Returns how many MiB may
   * come even above the limit: none, or where the operator lets it finish, what the project could have all in all.
   */
  async welcome(ownerId: string, place: Place): Promise<number> {
    const { resource } = places[place]
    const { limit, inUse, reserved, available } = (await this.#parts.facades.quota.usage(ownerId))[resource]!
    if (available < 0) return 0
    const usedMiB = inUse + reserved
    const mayFinish = this.#parts.unsizedUploads === 'finish'
    if (available === 0 && !(mayFinish && usedMiB === limit)) throw noRoom({ resource, ownerId, usedMiB, limit })
    return mayFinish ? usedMiB + available : 0
  }

  /**
   * Keeps `wantedMiB` for data that comes, and some more where there is room; returns how much is kept. Throws
   * `overLimit` when there is no room and it is more than what `mayComeMiB` anyway, and `gone` when the image receives
   * no data any more.
   */
  async keep(
    { id, ownerId }: { id: string; ownerId: string },
    place: Place,
    { wantedMiB, mayComeMiB }: { wantedMiB: number; mayComeMiB: number },
  ): Promise<number> {
    const { resource } = places[place]
    const { available } = (await this.#parts.facades.quota.usage(ownerId))[resource]!
    const hasMiB = (await heldFetch(this.#parts.db, id))?.amounts[resource] ?? 0
    const roomMiB = available < 0 ? Infinity : hasMiB + available
    const keptMiB = Math.max(wantedMiB, Math.min(roomMiB, wantedMiB + stretchMiB))
    return this.write(id, place, keptMiB, wantedMiB <= mayComeMiB)
  }

  /** Keeps exactly so much. */
  async write(id: string, place: Place, keptMiB: number, isThere: boolean): Promise<number> {
    const held = { [places[place].column]: keptMiB, seen_at: this.#parts.clock.now() }
    await this.#parts.db.transaction((tx) => this.follow(tx, id, () => heldWrite(tx, id, held), isThere))
    return keptMiB
  }

  /** Says that data still comes, so that nobody gives the image up. */
  touch(id: string): Promise<void> {
    return heldWrite(this.#parts.db, id, { seen_at: this.#parts.clock.now() })
  }

  /** Resource → usage and limit (−1 unlimited), as `GET /v2/info/usage` tells. */
  async usage(projectId: string): Promise<Record<string, { usage: number; limit: number }>> {
    const all = await this.#parts.facades.quota.usage(projectId)
    const told = imageResources.map((name) => {
      const { limit, inUse, reserved } = all[name]!
      return [name, { usage: inUse + reserved, limit }] as const
    })
    return Object.fromEntries(told)
  }
}

const noRoom = (at: { resource: Resource; ownerId: string; usedMiB: number; limit: number }) =>
  overLimit(
    `Quota exceeded for ${at.resource}: project ${at.ownerId} uses ${at.usedMiB} MiB` +
      `${at.limit < 0 ? ', and what is above it has no more to give' : ` of ${at.limit}`}. ` +
      'Delete an image, or ask who administers it for more.',
    { reason: 'NO_ROOM', quota: { code: 'NO_ROOM', resource: at.resource }, ...at },
  )

const rowOf = ({ id, ownerId, amounts }: HeldImage): HeldByRow => ({ key: id, projectId: ownerId, amounts })

const imagesHeld = ({ db }: GlanceParts): QuotaOwner => ({
  name: 'glance',
  prefix,
  list: async (after, limit) => (await heldAfter(db, after, limit)).map(rowOf),
  look: async (executor, key) => {
    const held = await heldFetch(executor, key)
    return held && rowOf(held)
  },
})
