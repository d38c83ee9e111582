/** What other services see of Keystone: its facade over the managers. */
import type { KeystoneFacade, ProjectInfo } from '../facade.ts'
import { projects, users } from '../store/entity-store.ts'
import { ancestorsOf } from '../store/project-tree.ts'
import type { Project } from '../store/tables.ts'
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
    registeredLimitsList: () => managers.registeredLimits.list(),
    limitsList: (match) => managers.limits.list(match),
  }
}
