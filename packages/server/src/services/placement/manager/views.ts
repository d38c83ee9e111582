/** Providers as plain values, with everything that belongs to them. */
import type { Executor } from '#platform/db/database.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { ProviderView } from '../facade.ts'
import { aggregatesOf, inventoriesList, providersList, traitsOf } from '../store/providers.ts'
import { toInventory } from './inventory.ts'

export interface Provider extends ProviderView {
  parentId: string | null
  rootId: string
}

/** Providers with their inventories, use, traits and aggregates, in four reads whatever their number. */
export async function providerViews(executor: Executor, ids?: readonly string[]): Promise<Provider[]> {
  const rows = await providersList(executor, ids)
  const views = new Map(
    rows.map((row): [string, Provider] => [
      row.id,
      {
        id: row.id,
        name: row.name,
        generation: row.generation,
        inventories: {},
        used: {},
        traits: [],
        aggregates: [],
        parentId: row.parent_id,
        rootId: row.root_id,
      },
    ]),
  )
  for (const row of await inventoriesList(executor, ids)) {
    const view = views.get(row.provider_id)
    if (view === undefined) continue
    view.inventories[row.resource_class] = toInventory(row)
    view.used[row.resource_class] = row.used
  }
  for (const row of await traitsOf(executor, ids)) views.get(row.provider_id)?.traits.push(row.trait)
  for (const row of await aggregatesOf(executor, ids)) views.get(row.provider_id)?.aggregates.push(row.aggregate_id)
  return [...views.values()]
}

export async function requireProvider(executor: Executor, id: string): Promise<Provider> {
  const [provider] = await providerViews(executor, [id])
  if (provider) return provider
  throw notFound(`No resource provider with uuid ${id} found`, { code: 'placement.resource_provider.not_found' })
}
