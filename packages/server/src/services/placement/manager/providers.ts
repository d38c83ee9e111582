/** Resource providers: their tree, their names, and the ways to find them. */
import type { Database, Tx } from '#platform/db/database.ts'
import { isUniqueViolation } from '#platform/db/db-errors.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { allocationsOfProvider } from '../store/claims.ts'
import {
  childrenOf,
  providerDelete,
  providerFetch,
  providerInsert,
  providerUpdate,
  rootMove,
} from '../store/providers.ts'
import { capacityOf } from './inventory.ts'
import { assertClassesKnown, assertTraitsKnown } from './names.ts'
import { nameTaken } from './refusals.ts'
import { providerViews, requireProvider } from './views.ts'
import type { Provider } from './views.ts'

export interface ProviderFilter {
  name?: string
  id?: string
  inTree?: string
  resources?: Record<string, number>
  traits?: TraitFilter
  aggregates?: AggregateFilter
}
/** Each list is an "or"; all lists must hold. */
export interface TraitFilter {
  required: string[][]
  forbidden: string[]
}
export interface AggregateFilter {
  memberOf: string[][]
  forbidden: string[]
}

export async function providersFind(db: Database, filter: ProviderFilter): Promise<Provider[]> {
  if (filter.resources)
    await assertClassesKnown(db, Object.keys(filter.resources), 'Invalid resource class in resources parameter: ')
  if (filter.traits) await assertTraitsKnown(db, [...filter.traits.required.flat(), ...filter.traits.forbidden])
  const providers = await providerViews(db)
  const tree =
    filter.inTree === undefined ? undefined : (providers.find(({ id }) => id === filter.inTree)?.rootId ?? '')
  return providers.filter(
    (provider) =>
      (filter.name === undefined || provider.name === filter.name) &&
      (filter.id === undefined || provider.id === filter.id) &&
      (tree === undefined || provider.rootId === tree) &&
      hasRoom(provider, filter.resources ?? {}) &&
      hasTraits(provider, filter.traits) &&
      isInAggregates(provider, filter.aggregates),
  )
}

export function hasRoom({ inventories, used }: Provider, resources: Record<string, number>): boolean {
  return Object.entries(resources).every(([name, amount]) => {
    const inventory = inventories[name]
    return (
      inventory !== undefined &&
      (used[name] ?? 0) + amount <= capacityOf(inventory) &&
      amount >= inventory.minUnit &&
      amount <= inventory.maxUnit &&
      amount % inventory.stepSize === 0
    )
  })
}

export const hasTraits = ({ traits }: Provider, filter?: TraitFilter): boolean =>
  filter === undefined ||
  (filter.required.every((any) => any.some((trait) => traits.includes(trait))) &&
    !filter.forbidden.some((trait) => traits.includes(trait)))

export const isInAggregates = ({ aggregates }: Provider, filter?: AggregateFilter): boolean =>
  filter === undefined ||
  (filter.memberOf.every((any) => any.some((id) => aggregates.includes(id))) &&
    !filter.forbidden.some((id) => aggregates.includes(id)))

export interface NewProvider {
  id?: string
  name: string
  parentId?: string | null
}

export async function providerCreate(db: Database, wanted: NewProvider): Promise<Provider> {
  const { name, parentId = null } = wanted
  const id = wanted.id === undefined ? uuid() : dashed(wanted.id)
  try {
    await db.transaction(async (tx) => {
      if (await providerFetch(tx, id)) throw nameTaken(`uuid: ${id}`)
      if (parentId === id)
        throw badRequest(`Unable to create resource provider "${name}", ${id}: a provider cannot be its own parent`)
      const rootId = parentId === null ? id : await rootOf(tx, parentId)
      await providerInsert(tx, { id, name, generation: 0, parent_id: parentId, root_id: rootId })
    })
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken(`name: ${name}`) : error
  }
  return await requireProvider(db, id)
}

/** Clients may leave the dashes out; every answer has them. */
const dashed = (id: string): string =>
  id
    .replaceAll('-', '')
    .toLowerCase()
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

async function rootOf(tx: Tx, parentId: string): Promise<string> {
  const parent = await providerFetch(tx, parentId)
  if (parent) return parent.root_id
  throw badRequest(`parent provider UUID '${parentId}' does not exist.`)
}

export interface ProviderChange {
  name: string
  parentId?: string | null
  mayMove: boolean
}

export async function providerRename(
  db: Database,
  id: string,
  { name, parentId, mayMove }: ProviderChange,
): Promise<Provider> {
  const known = await requireProvider(db, id)
  try {
    await db.transaction(async (tx) => {
      await providerUpdate(tx, id, { name })
      if (parentId !== undefined && parentId !== known.parentId) await move(tx, known, { parentId, mayMove })
    })
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken(name) : error
  }
  return await requireProvider(db, id)
}

/** A provider that is in a tree stays there, unless the client asks in a version that can move it. */
async function move(
  tx: Tx,
  known: Provider,
  { parentId, mayMove }: { parentId: string | null; mayMove: boolean },
): Promise<void> {
  const unable = (reason: string) => badRequest(`Unable to save resource provider ${known.id}: ${reason}`)
  if (known.parentId !== null && !mayMove) throw unable('re-parenting a provider is not currently allowed')
  const rootId = parentId === null ? known.id : await rootOf(tx, parentId)
  const below = await descendantsOf(tx, known.id)
  if (parentId !== null && below.includes(parentId)) throw unable('creating loop in the provider tree is not allowed')
  await providerUpdate(tx, known.id, { parent_id: parentId })
  await rootMove(tx, below, rootId)
}

/** The provider itself and all below it. */
async function descendantsOf(tx: Tx, id: string): Promise<string[]> {
  const found = [id]
  for (const one of found) found.push(...(await childrenOf(tx, one)))
  return found
}

export async function providerRemove(db: Database, id: string): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await providerFetch(tx, id)) === undefined)
      throw notFound(`No resource provider with uuid ${id} found for delete`)
    if ((await childrenOf(tx, id)).length > 0) {
      throw conflict(`Unable to delete parent resource provider ${id}: It has child resource providers.`, {
        code: 'placement.resource_provider.cannot_delete_parent',
      })
    }
    if ((await allocationsOfProvider(tx, id)).length > 0) {
      throw conflict(`Unable to delete resource provider ${id}: Resource provider has allocations.`, {
        code: 'placement.resource_provider.inuse',
      })
    }
    await providerDelete(tx, id)
  })
}
