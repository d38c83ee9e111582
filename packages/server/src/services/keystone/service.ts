/** Keystone: who is who, who may what where, tokens, and the catalog of services. */
import { defineService } from '#platform/api-kit/service.ts'
import type { Subscription } from '#platform/bus/bus.ts'
import type { ServiceDeps } from '#services/deps.ts'
import { policies } from './api/policies.ts'
import { routes } from './api/routes.ts'
import { tokenUpkeep } from './controllers/token-upkeep.ts'
import type { KeystoneFacade } from './facade.ts'
import { Managers } from './manager/managers.ts'
import { facadeOf } from './manager/outward.ts'
import { seed } from './manager/seed.ts'
import { settingsOf } from './manager/settings.ts'
import { keysRotatedTopic } from './store/key-repository.ts'
import { migrations } from './store/migrations.ts'

export const keystone = defineService<Managers, KeystoneFacade, ServiceDeps>({
  name: 'keystone',
  about: 'Identity: users, projects, roles, tokens and the service catalog',
  level: 0,
  catalog: [{ type: 'identity', name: 'keystone', path: '/identity' }],
  prefix: '/identity',
  versionPath: '/v3',
  faults: 'keystone',
  adminRule: 'admin_required',
  routes,
  policies,
  migrations,
  create: ({ db, bus, clock, masterKey, config }) => {
    const managers = new Managers({ db, clock, masterKey, settings: settingsOf(config) })
    let subscriptions: Subscription[] = []
    return {
      api: managers,
      facade: facadeOf(managers),
      controllers: [tokenUpkeep({ tokens: managers.tokens, db, clock })],
      seed: async () => {
        await seed(managers)
        await managers.limits.assertTreeFits()
      },
      start: async () => {
        subscriptions = [...managers.listen(bus), bus.subscribe(keysRotatedTopic, () => managers.tokens.catchUp())]
        await managers.tokens.start()
      },
      stop: async () => { for (const subscription of subscriptions) subscription.unsubscribe() },
    }
  },
})
