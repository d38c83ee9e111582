/** Hosts: which machines may join this cloud, and which did. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import { routes } from './api/routes.ts'
import type { HostsFacade } from './facade.ts'
import { Admission } from './manager/admission.ts'
import { Roster } from './manager/roster.ts'
import { hostsMigrations } from './store/migrations.ts'

const rule = 'role:admin'

export const hosts = defineService<Roster, HostsFacade, ServiceDeps>({
  name: 'hosts',
  about: 'Which machines may join this cloud, and which did',
  level: 1,
  catalog: [],
  prefix: '/hosts',
  versionPath: '/v1',
  faults: 'plain',
  adminRule: 'context_is_admin',
  policies: [
    { name: 'context_is_admin', rule },
    { name: 'hosts:show', rule, about: 'See hosts and tokens' },
    { name: 'hosts:change', rule, about: 'Make and revoke tokens, forget hosts' },
  ],
  migrations: hostsMigrations,
  routes,
  create: ({ db, clock, hosts: directory, config }) => {
    const tokenText = (config as { tokenText?: (secret: string) => string }).tokenText ?? ((secret) => secret)
    return {
      api: new Roster({ db, clock, hosts: directory, tokenText }),
      facade: new Admission({ db, clock }),
      controllers: [],
    }
  },
})
