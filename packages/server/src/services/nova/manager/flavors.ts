/** The rules of flavors: who sees which, and what may change. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import * as store from '../store/flavors.ts'
import type { FlavorQuery, FlavorSortKey } from '../store/flavors.ts'
import type { Flavor } from './model.ts'
import type { NovaParts } from './parts.ts'

export type FlavorDraft = Omit<Flavor, 'id' | 'extraSpecs'> & { id?: string }

export const isFlavorSortKey = (key: string): key is FlavorSortKey => Object.hasOwn(store.flavorSortColumns, key)

const missing = (id: string) => notFound(`Flavor ${id} could not be found.`, { reason: 'flavor-not-found' })

export class Flavors {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  /** Other projects' private flavors do not exist for a caller who is no administrator. */
  async fetch(caller: RequestContext, id: string): Promise<Flavor> {
    const flavor = await store.flavorFetch(this.#parts.db, id)
    if (!flavor || !(await this.#mayUse(caller, flavor))) throw missing(id)
    return flavor
  }

  async list(
    caller: RequestContext, asked: Omit<FlavorQuery, 'visibleTo' | 'isPublic'> & { isPublic?: boolean | 'any' },
  ): Promise<Flavor[]> {
    if (!caller.isAdmin) return store.flavorsList(this.#parts.db, {
      ...asked, isPublic: undefined, visibleTo: caller.projectId,
    })
    const isPublic = asked.isPublic === 'any' ? undefined : asked.isPublic ?? true
    return store.flavorsList(this.#parts.db, { ...asked, isPublic })
  }

  /** A private flavor begins with no project that may use it. */
  async create(draft: FlavorDraft): Promise<Flavor> {
    const flavor: Flavor = { ...draft, id: draft.id && draft.id !== 'auto' ? draft.id : uuid(), extraSpecs: {} }
    await this.#parts.db.transaction(async (tx) => {
      if (!(await store.flavorInsert(tx, flavor, this.#parts.clock.now()))) {
        throw conflict(`Flavor with name ${flavor.name} or ID ${flavor.id} already exists.`)
      }
    })
    return flavor
  }

  async describe(id: string, description: string | null): Promise<Flavor> {
    return this.#change(id, () => ({ description }))
  }

  async delete(id: string): Promise<void> {
    const gone = await this.#parts.db.transaction((tx) => store.flavorDelete(tx, id))
    if (!gone) throw missing(id)
  }

  /** Adds to, or with `replace` sets, the extra specs. */
  async setSpecs(id: string, specs: Record<string, string>): Promise<Record<string, string>> {
    const flavor = await this.#change(id, (before) => ({ extraSpecs: { ...before.extraSpecs, ...specs } }))
    return flavor.extraSpecs
  }

  async deleteSpec(id: string, key: string): Promise<void> {
    await this.#change(id, (before) => {
      if (!(key in before.extraSpecs)) throw notFound(`Flavor ${id} has no extra specs with key ${key}.`)
      const { [key]: _, ...extraSpecs } = before.extraSpecs
      return { extraSpecs }
    })
  }

  /** The projects let in; a public flavor has no list. */
  async accessList(caller: RequestContext, id: string): Promise<string[]> {
    const flavor = await this.fetch(caller, id)
    if (flavor.isPublic) throw notFound('Access list not available for public flavors.')
    return store.flavorAccessList(this.#parts.db, id)
  }

  async accessAdd(caller: RequestContext, id: string, projectId: string): Promise<string[]> {
    const flavor = await this.fetch(caller, id)
    if (flavor.isPublic) throw conflict('Can not add access to a public flavor.')
    await this.#assertProject(projectId)
    await this.#parts.db.transaction(async (tx) => {
      if (await store.flavorAccessAdd(tx, id, projectId)) return
      throw conflict(`Flavor access already exists for flavor ${id} and project ${projectId} combination.`)
    })
    return store.flavorAccessList(this.#parts.db, id)
  }

  async accessRemove(caller: RequestContext, id: string, projectId: string): Promise<string[]> {
    await this.fetch(caller, id)
    await this.#assertProject(projectId)
    await this.#parts.db.transaction(async (tx) => {
      if (await store.flavorAccessRemove(tx, id, projectId)) return
      throw notFound(`Flavor access not found for ${id} / ${projectId} combination.`)
    })
    return store.flavorAccessList(this.#parts.db, id)
  }

  /** First boot: the flavors DevStack's users know, unless any flavor was ever made. */
  async seed(flavors: Flavor[]): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const some = await store.flavorsList(tx, { sortKey: 'flavorid', descending: false })
      if (some.length) return
      for (const flavor of flavors) await store.flavorInsert(tx, flavor, this.#parts.clock.now())
    })
  }

  async #mayUse(caller: RequestContext, flavor: Flavor): Promise<boolean> {
    if (flavor.isPublic || caller.isAdmin) return true
    return (await store.flavorAccessList(this.#parts.db, flavor.id)).includes(caller.projectId)
  }

  async #assertProject(projectId: string): Promise<void> {
    if (await this.#parts.facades.keystone.projectFetch(projectId)) return
    throw badRequest(`Project ID ${projectId} is not a valid project.`)
  }

  async #change(
    id: string, change: (before: Flavor) => { description?: string | null; extraSpecs?: Record<string, string> },
  ): Promise<Flavor> {
    return this.#parts.db.transaction(async (tx) => {
      const before = await store.flavorFetch(tx, id)
      if (!before) throw missing(id)
      const changed = change(before)
      await store.flavorUpdate(tx, id, changed, this.#parts.clock.now())
      return { ...before, ...changed }
    })
  }
}
