/** What Placement's handlers may ask, with the database already given. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { allocationsDelete, allocationsReplace, consumerShow, providerAllocations, usageTotal } from './allocations.ts'
import { candidatesFind } from './candidates.ts'
import { aggregatesSet, inventoriesSet, inventoryRemove, inventorySet, traitsSet } from './inventories.ts'
import {
  resourceClassAssert,
  resourceClassCreate,
  resourceClassEnsure,
  resourceClassRemove,
  resourceClassRename,
  resourceClassesAll,
  traitAssert,
  traitEnsure,
  traitRemove,
  traitsAll,
} from './names.ts'
import { providerCreate, providerRemove, providerRename, providersFind } from './providers.ts'
import { providerViews, requireProvider } from './views.ts'

export function createManagers(db: Database, clock: Clock) {
  const on =
    <Arguments extends unknown[], Result>(work: (database: Database, ...values: Arguments) => Result) =>
    (...values: Arguments): Result =>
      work(db, ...values)
  return {
    now: () => clock.now(),
    providers: {
      find: on(providersFind),
      fetch: on(requireProvider),
      create: on(providerCreate),
      rename: on(providerRename),
      remove: on(providerRemove),
      all: on(providerViews),
    },
    inventories: { setAll: on(inventoriesSet), set: on(inventorySet), remove: on(inventoryRemove) },
    traits: {
      list: on(traitsAll),
      ensure: on(traitEnsure),
      assert: on(traitAssert),
      remove: on(traitRemove),
      setOf: on(traitsSet),
    },
    resourceClasses: {
      list: on(resourceClassesAll),
      create: on(resourceClassCreate),
      ensure: on(resourceClassEnsure),
      assert: on(resourceClassAssert),
      rename: on(resourceClassRename),
      remove: on(resourceClassRemove),
    },
    aggregates: { setOf: on(aggregatesSet) },
    allocations: {
      replace: on(allocationsReplace),
      show: on(consumerShow),
      remove: on(allocationsDelete),
      ofProvider: on(providerAllocations),
      usage: on(usageTotal),
    },
    candidates: { find: on(candidatesFind) },
  }
}

export type Managers = ReturnType<typeof createManagers>
