/** Returns what projects held that Keystone has deleted. */
import { defineController } from '#platform/controllers/controller.ts'
import type { QuotaParts } from '../manager/parts.ts'
import type { KnownProjects } from '../manager/projects.ts'

export const forgetProjects = (parts: QuotaParts, projects: KnownProjects) =>
  defineController<string[], string>({
    name: 'quota.forget-projects',
    about: 'Returns what deleted projects held to their parents',
    wakesOn: ['keystone.project.deleted'],
    everySeconds: 60,
    perPass: 100,
    observe: async (limit) => (await projects.gone()).slice(0, limit),
    plan: (ids) => ids,
    key: (id) => id,
    act: async (id) => {
      if ((await parts.keystone.projectAncestors(id)).length > 0) return
      await parts.db.transaction((tx) => projects.forget(tx, id))
    },
  })
