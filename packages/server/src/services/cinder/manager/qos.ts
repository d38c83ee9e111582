/** QoS specs: kept and associated with types. Hosts here have no limits on bytes a second that could follow them. */
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import { uuid } from '#platform/ids/ids.ts'
import {
  qosAssociate,
  qosDelete,
  qosDisassociateAll,
  qosFetch,
  qosInsert,
  qosList,
  qosTypes,
  qosUpdate,
} from '../store/qos.ts'
import { typeFetch } from '../store/types.ts'
import type { Qos } from './model.ts'
import type { CinderParts } from './parts.ts'
import { noType } from './refusals.ts'

export class QosSpecs {
  readonly #parts: Pick<CinderParts, 'db' | 'clock'>
  constructor(parts: Pick<CinderParts, 'db' | 'clock'>) {
    this.#parts = parts
  }

  list(): Promise<Qos[]> {
    return qosList(this.#parts.db)
  }

  async fetch(id: string): Promise<Qos> {
    const found = await qosFetch(this.#parts.db, id)
    if (!found) throw missing(id)
    return found
  }

  async create(asked: Pick<Qos, 'name' | 'consumer' | 'specs'>): Promise<Qos> {
    const at = this.#parts.clock.now()
    const made: Qos = { id: uuid(), ...asked, createdAt: at, updatedAt: at }
    await this.#parts.db.transaction((tx) => qosInsert(tx, made))
    return made
  }

  /** Returns the specs that were given. */
  async set(id: string, { consumer, ...specs }: Record<string, string>): Promise<Record<string, string>> {
    await this.#change(id, (qos) => ({
      ...qos,
      specs: { ...qos.specs, ...specs },
      ...(consumer !== undefined && { consumer: consumer as Qos['consumer'] }),
    }))
    return { ...specs, ...(consumer !== undefined && { consumer }) }
  }

  async unset(id: string, keys: readonly string[]): Promise<void> {
    await this.#change(id, (qos) => {
      const absent = keys.find((key) => !Object.hasOwn(qos.specs, key))
      if (absent !== undefined) throw notFound(`QoS spec ${id} has no spec with key ${absent}.`)
      return { ...qos, specs: Object.fromEntries(Object.entries(qos.specs).filter(([key]) => !keys.includes(key))) }
    })
  }

  #change(id: string, change: (qos: Qos) => Qos): Promise<void> {
    return this.#in(id, async (tx, qos) => {
      await qosUpdate(tx, { ...change(qos), updatedAt: this.#parts.clock.now() })
    })
  }

  delete(id: string, { force }: { force: boolean }): Promise<void> {
    return this.#in(id, async (tx) => {
      if (!force && (await qosTypes(tx, id)).length > 0)
        throw badRequest(`QoS Specs ${id} is still associated with entities.`, {
          remedy: 'disassociate all, or force',
        })
      await qosDisassociateAll(tx, id)
      await qosDelete(tx, id)
    })
  }

  async associations(id: string): Promise<{ id: string; name: string; association_type: string }[]> {
    await this.fetch(id)
    return (await qosTypes(this.#parts.db, id)).map((type) => ({ ...type, association_type: 'volume_type' }))
  }

  associate(id: string, typeId: string): Promise<void> {
    return this.#in(id, async (tx) => {
      const type = await typeFetch(tx, typeId)
      if (!type) throw noType(typeId)
      if (type.qosId !== null && type.qosId !== id)
        throw badRequest(
          `Invalid volume type: Type ${typeId} is already associated with another qos specs: ${type.qosId}`,
        )
      await qosAssociate(tx, typeId, id)
    })
  }

  disassociate(id: string, typeId: string): Promise<void> {
    return this.#in(id, async (tx) => {
      const type = await typeFetch(tx, typeId)
      if (!type) throw noType(typeId)
      if (type.qosId === id) await qosAssociate(tx, typeId, null)
    })
  }

  disassociateAll(id: string): Promise<void> {
    return this.#in(id, (tx) => qosDisassociateAll(tx, id))
  }

  #in(id: string, work: (tx: Tx, qos: Qos) => Promise<void>): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const found = await qosFetch(tx, id)
      if (!found) throw missing(id)
      await work(tx, found)
    })
  }
}

const missing = (id: string) => notFound(`No such QoS spec ${id}.`)
