/** What a new cloud has: the default domain, the usual roles, projects and users, each made once under a fixed id. */
import { createHash } from 'node:crypto'
import { secret } from '#platform/ids/ids.ts'
import { assignments, impliedRoles, projects, roles, users } from '../store/entity-store.ts'
import type { Assignment } from '../store/tables.ts'
import type { Managers } from './managers.ts'

export const defaultDomainId = 'default'

/** The same in every process and at every try, so that two first boots at once, or one cut short, end alike. */
const fixedId = (what: string): string => createHash('sha256').update(
  `quaystone first boot ${what}`
).digest('hex').slice(0, 32)

/** Each implies the next. */
const roleChain = ['admin', 'manager', 'member', 'reader']
const immutable = { options: { immutable: true } }

export const seed = async (managers: Managers): Promise<void> => {
  await seedPlaces(managers)
  await seedRoles(managers)
  await seedUsers(managers)
}

const seedPlaces = async ({ domains, projects: manager, ground: { db } }: Managers): Promise<void> => {
  if (!await projects.fetch(db, defaultDomainId)) {
    await domains.create({ name: 'Default', description: 'The default domain' }, defaultDomainId)
  }
  for (const name of ['admin', 'demo', 'service']) {
    if (await projects.find(db, { domain_id: defaultDomainId, name })) continue
    await manager.create(
      { name, domain_id: defaultDomainId, description: `The ${name} project` }, fixedId(`project ${name}`),
    )
  }
}

const seedRoles = async ({ roles: manager, ground: { db } }: Managers): Promise<void> => {
  for (const name of [...roleChain, 'service']) {
    if (!await roles.find(db, { domain_id: '', name })) await manager.create(
      { name, ...immutable }, fixedId(`role ${name}`),
    )
  }
  for (const [at, name] of roleChain.slice(0, -1).entries()) {
    const prior = await roles.find(db, { domain_id: '', name })
    const implied = await roles.find(db, { domain_id: '', name: roleChain[at + 1]! })
    if (!prior || !implied || await impliedRoles.find(db, {
      prior_role_id: prior.id, implied_role_id: implied.id,
    })) continue
    await manager.imply(prior.id, implied.id)
  }
}

/** Users and their first roles are made once: an operator who took a role away has it stay away. */
const seedUsers = async (managers: Managers): Promise<void> => {
  const { settings } = managers
  await seedUser(managers, {
    name: 'admin', password: settings.adminPassword, on: [['admin', 'admin'], ['admin', 'demo'], ['admin', 'all']],
  })
  await seedUser(managers, { name: 'demo', password: settings.demoPassword, on: [['member', 'demo']] })
}

interface FirstUser { name: string; password: string | undefined; on: [role: string, project: string][] }

/** Roles first, under the id the user will have: once there is a user, everything is there. */
const seedUser = async (
  { users: manager, ground: { db } }: Managers, { name, password, on }: FirstUser,
): Promise<void> => {
  if (await users.find(db, { domain_id: defaultDomainId, name })) return
  const userId = fixedId(`user ${name}`)
  for (const [roleName, projectName] of on) {
    const role = await roles.find(db, { domain_id: '', name: roleName })
    const project = projectName === 'all' ? undefined : await projects.find(db, {
      domain_id: defaultDomainId, name: projectName,
    })
    const assignment: Assignment = {
      id: fixedId(`${name} ${roleName} ${projectName}`), actor_type: 'user', actor_id: userId, role_id: role!.id,
      inherited: false,
      target_type: project ? 'project' : 'system', target_id: project?.id ?? 'all',
    }
    if (!await assignments.fetch(db, assignment.id)) await assignments.insert(db, assignment)
  }
  const home = await projects.find(db, { domain_id: defaultDomainId, name })
  await manager.create(
    { name, domain_id: defaultDomainId, password: password ?? secret(), default_project_id: home?.id }, userId,
  )
}
