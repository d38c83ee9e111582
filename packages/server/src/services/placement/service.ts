/** Placement: what hosts have, who took how much of it. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import type { PlacementFacade } from './facade.ts'
import { createPlacementFacade } from './manager/facade.ts'
import { placementMigrations } from './store/migrations.ts'

export const placement = defineService<PlacementFacade, PlacementFacade, ServiceDeps>({
  name: 'placement',
  about: 'Resource providers, inventories, claims',
  level: 1,
  catalog: [{ type: 'placement', name: 'placement', path: '/placement' }],
  prefix: '/placement',
  versionPath: '',
  microversions: { service: 'placement', min: '1.0', max: '1.39' },
  faults: 'placement',
  adminRule: 'admin_required',
  routes: [],
  policies: [],
  migrations: placementMigrations,
  create({ db }) {
    const facade = createPlacementFacade(db)
    return { api: facade, facade, controllers: [] }
  },
})
