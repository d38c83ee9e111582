/** What other services see of Keystone: its facade over the managers. */
import type { KeystoneFacade, ProjectInfo, UnifiedLimits } from '../facade.ts'
import { projects, services, users } from '../store/entity-store.ts'
import { ancestorsOf } from '../store/project-tree.ts'
import type { Limit, Project, RegisteredLimit } from '../store/tables.ts'
import type { Managers } from './managers.ts'

const infoOf = (project: Project): ProjectInfo => ({
  id: project.id, name: project.name, domainId: project.is_domain ? project.id : project.domain_id,
  parentId: project.parent_id || null,
  enabled: project.enabled, isDomain: project.is_domain,
})

export const facadeOf = (managers: Managers): KeystoneFacade => {
  const { db } = managers.ground
  return {
    validate: (token) => managers.tokens.validate(token),
    projectFetch: async (id) => {
      const project = await projects.fetch(db, id)
      return project && infoOf(project)
    },
    projectAncestors: async (id) => {
      const project = await projects.fetch(db, id)
      return project ? [project, ...await ancestorsOf(db, id)].map(infoOf) : []
    },
    projectsList: async () => (await projects.list(db)).map(infoOf),
    userFetch: async (id) => {
      const user = await users.fetch(db, id)
      return user && { id: user.id, name: user.name, domainId: user.domain_id, enabled: user.enabled }
    },
    catalogEnsure: (entries) => managers.catalog.ensure(entries),
    actAs: (userId, projectId) => managers.tokens.actAs(userId, projectId),
    limitModel: () => managers.settings.limitModel,
    unifiedLimits: () => unifiedLimitsOf(managers),
  }
}

const unifiedLimitsOf = async ({ ground, registeredLimits, limits }: Managers): Promise<UnifiedLimits> => {
  const types = new Map((await services.list(ground.db)).map(({ id, type }) => [id, type]))
  const common = (row: RegisteredLimit | Limit) => ({
    id: row.id, serviceType: types.get(row.service_id) ?? '', regionId: row.region_id, resourceName: row.resource_name,
  })
  return {
    registered: (await registeredLimits.list()).map((row) => ({ ...common(row), value: row.default_limit })),
    limits: (await limits.list()).map((row) => ({
      ...common(row), value: row.resource_limit, projectId: row.project_id ?? row.domain_id ?? '',
      isDomain: row.project_id === null,
    })),
  }
}
