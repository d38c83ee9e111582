/** Placement: what hosts have, who took how much of it. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import { allocationRoutes } from './api/allocations.ts'
import { candidateRoutes } from './api/candidates.ts'
import { inventoryRoutes } from './api/inventories.ts'
import { resourceClassRoutes, traitRoutes } from './api/names.ts'
import { placementPolicies } from './api/policies.ts'
import { aggregateRoutes, providerRoutes, providerTraitRoutes } from './api/providers.ts'
import { microversions, versionRoutes } from './api/versions.ts'
import type { PlacementFacade } from './facade.ts'
import { createPlacementFacade } from './manager/facade.ts'
import { createManagers } from './manager/managers.ts'
import type { Managers } from './manager/managers.ts'
import { placementMigrations } from './store/migrations.ts'

export const placement = defineService<Managers, PlacementFacade, ServiceDeps>({
  name: 'placement',
  about: 'Resource providers, inventories, claims',
  level: 1,
  catalog: [{ type: 'placement', name: 'placement', path: '/placement' }],
  prefix: '/placement',
  versionPath: '',
  microversions,
  faults: 'placement',
  adminRule: 'admin_api',
  routes: [
    ...versionRoutes,
    ...providerRoutes,
    ...inventoryRoutes,
    ...aggregateRoutes,
    ...providerTraitRoutes,
    ...traitRoutes,
    ...resourceClassRoutes,
    ...allocationRoutes,
    ...candidateRoutes,
  ],
  policies: placementPolicies,
  migrations: placementMigrations,
  create: ({ db, clock }) => ({ api: createManagers(db, clock), facade: createPlacementFacade(db), controllers: [] }),
})
