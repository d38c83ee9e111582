/** All of Keystone's managers, built once: what its handlers receive. */
import type { Bus, Subscription } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { KeyRepository } from '../store/key-repository.ts'
import { ApplicationCredentials } from './application-credentials.ts'
import { Authenticator } from './authenticate.ts'
import { Catalog } from './catalog.ts'
import { Credentials } from './credentials.ts'
import { DomainConfigs } from './domain-configs.ts'
import { Domains } from './domains.ts'
import { EndpointFilters } from './endpoint-filters.ts'
import { Grants } from './grants.ts'
import { News, type Ground } from './ground.ts'
import { Groups } from './groups.ts'
import { Limits } from './limits.ts'
import { Passwords } from './passwords.ts'
import { Places } from './places.ts'
import { Policies } from './policies.ts'
import { Projects } from './projects.ts'
import { RegisteredLimits } from './registered-limits.ts'
import { RoleAssignments } from './role-assignments.ts'
import { Roles } from './roles.ts'
import { Seal } from './seal.ts'
import type { Settings } from './settings.ts'
import { TokenMemory } from './token-memory.ts'
import { Tokens } from './tokens.ts'
import { Trusts } from './trusts.ts'
import { UserPasswords } from './user-passwords.ts'
import { Users } from './users.ts'

export interface ManagerParts { db: Database; clock: Clock; settings: Settings; masterKey: Buffer }

export class Managers {
  readonly settings: Settings
  readonly tokens: Tokens
  readonly auth: Authenticator
  readonly catalog: Catalog
  readonly domains: Domains
  readonly projects: Projects
  readonly users: Users
  readonly groups: Groups
  readonly roles: Roles
  readonly grants: Grants
  readonly roleAssignments: RoleAssignments
  readonly credentials: Credentials
  readonly applicationCredentials: ApplicationCredentials
  readonly trusts: Trusts
  readonly policies: Policies
  readonly registeredLimits: RegisteredLimits
  readonly limits: Limits
  readonly domainConfigs: DomainConfigs
  readonly endpointFilters: EndpointFilters
  readonly ground: Ground

  constructor({ db, clock, settings, masterKey }: ManagerParts) {
    const memory = new TokenMemory(settings.cacheEntriesMax)
    const ground: Ground = {
      db, clock, settings, memory, news: new News({ memory, settings, clock }), places: new Places(db, memory),
    }
    const passwords = new Passwords(settings.argon2)
    const userPasswords = new UserPasswords(ground, passwords)
    const seal = new Seal(masterKey, 'credentials')
    this.ground = ground
    this.settings = settings
    this.tokens = new Tokens(ground, new KeyRepository({ db, clock, seal: new Seal(masterKey, 'token keys') }))
    this.auth = new Authenticator({ ground, tokens: this.tokens, passwords, userPasswords, seal })
    this.catalog = new Catalog(ground)
    this.domains = new Domains(ground)
    this.projects = new Projects(ground)
    this.users = new Users(ground, userPasswords)
    this.groups = new Groups(ground)
    this.roles = new Roles(ground)
    this.grants = new Grants(ground)
    this.roleAssignments = new RoleAssignments(ground)
    this.credentials = new Credentials(ground, seal)
    this.applicationCredentials = new ApplicationCredentials(ground, passwords)
    this.trusts = new Trusts(ground)
    this.policies = new Policies(ground)
    this.registeredLimits = new RegisteredLimits(ground)
    this.limits = new Limits(ground)
    this.domainConfigs = new DomainConfigs(ground, seal)
    this.endpointFilters = new EndpointFilters(ground)
  }

  listen(bus: Bus): Subscription[] { return this.ground.news.listen(bus) }
}
