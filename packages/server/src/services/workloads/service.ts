/** Workloads: the one container model behind Nova, Zun, Heat and the others. It has no HTTP routes of its own. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import { hostsController } from './controllers/hosts.ts'
import { imagesController } from './controllers/images.ts'
import { placeController } from './controllers/place.ts'
import { reapController } from './controllers/reap.ts'
import { rejoinController } from './controllers/rejoin.ts'
import { runController } from './controllers/run.ts'
import { volumesController } from './controllers/volumes.ts'
import { watchController } from './controllers/watch.ts'
import type { WorkloadsFacade } from './facade.ts'
import { createBuilder } from './manager/builder.ts'
import { EngineWatch } from './manager/engine-watch.ts'
import { probe } from './manager/hosts.ts'
import { HostImages } from './manager/images.ts'
import { defaultSettings } from './manager/parts.ts'
import type { Parts, Settings } from './manager/parts.ts'
import { Slots, Turns } from './manager/turns.ts'
import { createWorkloads } from './manager/workloads.ts'
import { hostsList } from './store/hosts.ts'
import { workloadsMigrations } from './store/migrations.ts'

export const workloads = defineService<WorkloadsFacade, WorkloadsFacade, ServiceDeps>({
  name: 'workloads',
  about: 'Containers on hosts: placed, built, watched, removed',
  level: 5,
  catalog: [],
  prefix: '/workloads',
  versionPath: '',
  faults: 'plain',
  adminRule: 'admin_required',
  routes: [],
  policies: [],
  migrations: workloadsMigrations,
  create(deps) {
    const parts = partsOf(deps)
    const turns = new Turns()
    const watch = new EngineWatch({ bus: deps.bus, log: deps.log, turns })
    const builder = createBuilder(parts, new HostImages(parts), new Slots(parts.settings.startsPerHost))
    const facade = createWorkloads(parts)
    return {
      api: facade,
      facade,
      controllers: [
        placeController(parts),
        runController(parts, builder, turns),
        watchController(parts, watch, turns),
        volumesController(parts, turns),
        reapController(parts),
        hostsController(parts),
        imagesController(parts),
        rejoinController(parts, facade),
      ],
      // At the first boot a server may be asked for before the first pass of the hosts' controller.
      async start() {
        const known = new Set((await hostsList(deps.db)).map(({ name }) => name))
        const strangers = deps.hosts.list().filter(({ name }) => !known.has(name))
        await Promise.all(strangers.map((host) => probe(parts, host)))
      },
      async stop() {
        watch.stop()
      },
    }
  },
})

const partsOf = ({ db, clock, log, hosts, facades, config }: ServiceDeps): Parts => ({
  db,
  clock,
  log,
  hosts,
  neutron: facades.neutron,
  glance: facades.glance,
  placement: facades.placement,
  settings: { ...defaultSettings, ...(config as Partial<Settings>) },
})
