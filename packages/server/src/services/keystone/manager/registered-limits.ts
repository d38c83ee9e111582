/** Registered limits: the resources that services count, with the default limit of each. */
import { forbidden } from '#platform/errors/errors.ts'
import type { Executor } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { limits, regions, registeredLimits, services } from '../store/entity-store.ts'
import type { RegisteredLimit } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found, invalid, taken } from './refusals.ts'

export interface RegisteredLimitChanges {
  service_id?: string
  region_id?: string | null
  resource_name?: string
  default_limit?: number
  description?: string | null
}

export type NewRegisteredLimit = RegisteredLimitChanges & {
  service_id: string
  resource_name: string
  default_limit: number
}

export class RegisteredLimits {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async fetch(id: string, db: Executor = this.#db): Promise<RegisteredLimit> {
    return found(await registeredLimits.fetch(db, id), 'registered limit for', id)
  }

  list(match: { service_id?: string; region_id?: string; resource_name?: string } = {}): Promise<RegisteredLimit[]> {
    return registeredLimits.list(this.#db, match)
  }

  /** All or none. */
  async create(wanted: NewRegisteredLimit[]): Promise<RegisteredLimit[]> {
    const rows = wanted.map((one): RegisteredLimit => ({
      id: hexId(), service_id: one.service_id, region_id: one.region_id ?? null, resource_name: one.resource_name,
      default_limit: one.default_limit, description: one.description ?? null,
    }))
    await this.#db.transaction(async (tx) => {
      for (const row of rows) {
        await refuseUnknownPlaces(tx, row)
        if (await registeredLimits.find(tx, uniquePart(row))) throw taken('registered_limit', 'Duplicate entry')
        await registeredLimits.insert(tx, row)
      }
      tx.emit('keystone.limits.changed', {})
    })
    return rows
  }

  async update(id: string, changes: RegisteredLimitChanges): Promise<RegisteredLimit> {
    return await this.#db.transaction(async (tx) => {
      const before = await this.fetch(id, tx)
      const after: RegisteredLimit = { ...before, ...changes }
      const moves = (['service_id', 'region_id', 'resource_name'] as const).some((key) => after[key] !== before[key])
      if (moves) await refuseInUse(tx, id)
      await refuseUnknownPlaces(tx, after)
      const twin = await registeredLimits.find(tx, uniquePart(after))
      if (twin && twin.id !== id) throw taken('registered_limit', 'Duplicate entry')
      await registeredLimits.update(tx, id, after)
      tx.emit('keystone.limits.changed', {})
      return after
    })
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetch(id, tx)
      await refuseInUse(tx, id)
      await registeredLimits.remove(tx, id)
      tx.emit('keystone.limits.changed', {})
    })
  }
}

const uniquePart = ({ service_id, region_id, resource_name }: RegisteredLimit) =>
  ({ service_id, region_id, resource_name })

const refuseInUse = async (db: Executor, id: string): Promise<void> => {
  if (!await limits.find(db, { registered_limit_id: id })) return
  throw forbidden(
    `Unable to update or delete registered limit ${id} because there are project limits associated with it.`
  )
}

/** A place that is named must exist. */
export const refuseUnknownPlaces = async (db: Executor, row: {
  service_id: string
  region_id: string | null
}): Promise<void> => {
  if (!await services.fetch(db, row.service_id)) {
    throw invalid(
      `Could not find service: ${row.service_id}.`, 'service_id',
    )
  }
  if (
    row.region_id !== null && !await regions.fetch(db, row.region_id)
  ) throw invalid(`Could not find region: ${row.region_id}.`, 'region_id')
}
