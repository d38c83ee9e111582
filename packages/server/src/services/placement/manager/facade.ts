/** Placement's facade over its own rows. */
import type { Database } from '#platform/db/database.ts'
import type { PlacementFacade } from '../facade.ts'
import { allocationsOf, consumersHolding } from '../store/claims.ts'
import { claim, release } from './claims.ts'
import { providerEnsure } from './hosts.ts'
import { providerViews } from './views.ts'

export function createPlacementFacade(db: Database): PlacementFacade {
  return {
    providerEnsure: (provider) => providerEnsure(db, provider),
    providers: (executor = db) => providerViews(executor),
    claim,
    release,
    consumers: (executor = db) => consumersHolding(executor),
    async allocations(consumerId) {
      const byProvider = new Map<string, Record<string, number>>()
      for (const row of await allocationsOf(db, consumerId)) {
        const resources = byProvider.get(row.provider_id) ?? {}
        resources[row.resource_class] = row.amount
        byProvider.set(row.provider_id, resources)
      }
      return [...byProvider].map(([providerId, resources]) => ({ providerId, resources }))
    },
  }
}
