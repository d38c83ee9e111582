/** Projects: their tree, tags, and what of it the caller may see. */
import { T } from '#platform/api-kit/schema.ts'
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { Managers } from '../manager/managers.ts'
import type { ProjectChanges } from '../manager/projects.ts'
import type { Project } from '../store/tables.ts'
import { domainOfCaller } from './callers.ts'
import {
  description, extraOf, flag, immutableOption, nullableId, openBody, optional, shortName, someOf, tags,
} from './fields.ts'
import { asks, collection, filtered, one, projectView, type Query, type View } from './views.ts'

const own = ['name', 'domain_id', 'parent_id', 'is_domain', 'enabled', 'description', 'tags', 'options']
const fields = {
  domain_id: nullableId, parent_id: nullableId, is_domain: flag, enabled: flag, description, tags,
  options: immutableOption,
}
const createBody = openBody('project', { ...optional(fields), name: shortName })
const updateBody = openBody('project', optional({ ...fields, name: shortName }))
const cascadeBody = T.Object({ project: T.Object({ enabled: flag }, { additionalProperties: false }) })
const tagsBody = T.Object({ tags })

const changesOf = (body: object): ProjectChanges => ({ ...(body as ProjectChanges), extra: extraOf(body, own) })

const targetOf = (project: Project | undefined) =>
  project ? { target: { project: { ...project.extra, id: project.id, domain_id: project.domain_id || null } } } : {}

/** Someone without the right learns nothing of whether the project exists. */
const guarded = async (api: Managers, ctx: RequestContext, rule: string, id: string): Promise<void> => {
  ctx.enforce(rule, targetOf(await api.projects.find(id)))
}

type TreeQuery = Record<'parents' | 'subtree', 'list' | 'ids' | undefined>

const treeQueryOf = (query: Query): TreeQuery => {
  const wish = (what: 'parents' | 'subtree') => {
    const [list, ids] = [asks(query, `${what}_as_list`), asks(query, `${what}_as_ids`)]
    if (list && ids) {
      throw badRequest(
        `Cannot use ${what}_as_list and ${what}_as_ids query params at the same time.`, { field: `${what}_as_list` },
      )
    }
    return list ? 'list' as const : ids ? 'ids' as const : undefined
  }
  return { parents: wish('parents'), subtree: wish('subtree') }
}

type IdTree = { [id: string]: IdTree | null }

/** `{ parent: { grandparent: null } }` */
const parentIds = (parents: Project[]): IdTree | null =>
  parents.reduceRight<IdTree | null>((above, parent) => ({ [parent.id]: above }), null)

const childIds = (id: string, byParent: Map<string, Project[]>): IdTree | null => {
  const children = byParent.get(id)
  return children ? Object.fromEntries(children.map((child) => [child.id, childIds(child.id, byParent)])) : null
}

/** Lists show those the caller has a role on; ids show all. */
const treeView = async (api: Managers, ctx: RequestContext, id: string, wish: TreeQuery): Promise<View> => {
  const seen = wish.parents === 'list' || wish.subtree === 'list' ? new Set((
    await api.roleAssignments.projectsOf(ctx.userId)
  ).map((one) => one.id)) : new Set()
  const listed = (all: Project[]) => all.filter((project) => seen.has(project.id)).map((project) => ({
    project: projectView(ctx, project),
  }))
  const parents = wish.parents ? await api.projects.parents(id) : []
  const subtree = wish.subtree ? await api.projects.subtree(id) : []
  return {
    ...(wish.parents && { parents: wish.parents === 'list' ? listed(parents) : parentIds(parents) }),
    ...(wish.subtree && { subtree: wish.subtree === 'list' ? listed(subtree) : childIds(
      id, Map.groupBy(subtree, (one) => one.parent_id),
    ) }),
  }
}

const splitTags = (value: string | string[] | undefined): string[] | undefined => one(value)?.split(',')

const hasTags = (project: Project, query: Query): boolean => {
  const has = (tag: string) => project.tags.includes(tag)
  return (splitTags(query.tags)?.every(has) ?? true)
    && (splitTags(query['tags-any'])?.some(has) ?? true)
    && !(splitTags(query['not-tags'])?.every(has) ?? false)
    && !(splitTags(query['not-tags-any'])?.some(has) ?? false)
}

const listProjects = async (api: Managers, ctx: RequestContext, query: Query): Promise<View[]> => {
  const domainId = domainOfCaller(ctx) ?? one(query.domain_id)
  const isDomain = asks(query, 'is_domain')
  const found = await api.projects.list({
    is_domain: isDomain, ...(isDomain ? {} : { domain_id: domainId, parent_id: one(query.parent_id) }),
  })
  const views = found.filter((project) => hasTags(project, query)).map((project) => projectView(ctx, project))
  return filtered(views, query, ['name', 'enabled', 'domain_id', 'parent_id', 'id', 'description'])
}

/** Where a project goes that says neither domain nor parent: the caller's own domain. */
const placed = async (
  api: Managers, ctx: RequestContext, changes: ProjectChanges,
): Promise<{ domain_id: string; parent_id: string }> => {
  const parent = changes.parent_id ? await api.projects.find(changes.parent_id) : undefined
  const domainId = changes.domain_id ?? (
    parent?.is_domain ? parent.id : parent?.domain_id
  ) ?? domainOfCaller(ctx) ?? ctx.token.project?.domain.id ?? 'default'
  return { domain_id: domainId, parent_id: changes.parent_id ?? domainId }
}

const create = async (api: Managers, ctx: RequestContext, body: object): Promise<View> => {
  const changes = changesOf(body)
  if (changes.is_domain) {
    ctx.enforce('identity:create_project', { target: { project: { ...body } } })
    if (changes.parent_id) throw badRequest('only root projects are allowed to act as domains.', { field: 'parent_id' })
    return projectView(ctx, await api.domains.create({ ...changes, name: changes.name! }))
  }
  const place = await placed(api, ctx, changes)
  ctx.enforce('identity:create_project', { target: { project: { ...body, domain_id: place.domain_id } } })
  return projectView(ctx, await api.projects.create({ ...changes, ...place, name: changes.name! }))
}

/** A domain is shown and changed as a project too. */
const update = async (api: Managers, ctx: RequestContext, id: string, body: object): Promise<View> => {
  const changes = changesOf(body)
  const isDomain = (await api.projects.find(id))?.is_domain
  return projectView(ctx, isDomain ? await api.domains.update(id, changes) : await api.projects.update(id, changes))
}

const projects = [
  defineRoute({
    id: 'projects.list', method: 'GET', path: '/projects', summary: 'List projects', policy: 'authenticated',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      ctx.enforce('identity:list_projects', { target: { domain_id: domainOfCaller(ctx) } })
      return collection(
        { ctx, request, key: 'projects', listMax: api.settings.listMax }, await listProjects(api, ctx, request.query),
      )
    },
  }),
  defineRoute({
    id: 'projects.create', method: 'POST', path: '/projects', summary: 'Create a project', policy: 'authenticated',
    body: createBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, request) => ({ project: await create(api, ctx, request.body.project) }),
  }),
  defineRoute({
    id: 'projects.show', method: 'GET', path: '/projects/{project_id}', summary: 'Show a project',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' }, query }) => {
      const found = await api.projects.find(id)
      const above = found ? await api.projects.parents(id) : []
      const is_below = above.some((project) => project.id === ctx.projectId)
      ctx.enforce('identity:get_project', { ...targetOf(found), is_below })
      const project = await api.projects.fetch(id)
      return { project: { ...projectView(ctx, project), ...await treeView(api, ctx, id, treeQueryOf(query)) } }
    },
  }),
  defineRoute({
    id: 'projects.update', method: 'PATCH', path: '/projects/{project_id}', summary: 'Change a project',
    policy: 'authenticated', body: updateBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' }, body }) => {
      await guarded(api, ctx, 'identity:update_project', id)
      return { project: await update(api, ctx, id, someOf(body.project)) }
    },
  }),
  defineRoute({
    id: 'projects.delete', method: 'DELETE', path: '/projects/{project_id}', summary: 'Delete a project',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' } }) => {
      await guarded(api, ctx, 'identity:delete_project', id)
      await ((await api.projects.fetch(id)).is_domain ? api.domains.remove(id) : api.projects.remove(id))
    },
  }),
  defineRoute({
    id: 'projects.updateCascade', method: 'PATCH', path: '/projects/{project_id}/cascade',
    summary: 'Enable or disable a project and all below it', policy: 'authenticated', body: cascadeBody,
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' }, body }) => {
      await guarded(api, ctx, 'identity:update_project', id)
      return { project: projectView(ctx, await api.projects.cascadeEnabled(id, body.project.enabled)) }
    },
  }),
  defineRoute({
    id: 'projects.deleteCascade', method: 'DELETE', path: '/projects/{project_id}/cascade',
    summary: 'Delete a project and all below it', policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' } }) => {
      await guarded(api, ctx, 'identity:delete_project', id)
      await api.projects.remove(id, { cascade: true })
    },
  }),
]

const missingTag = (tag: string) => notFound(`Could not find project tag: ${tag}.`)

const tagsView = (ctx: RequestContext, url: string, project: Project) => ({
  tags: project.tags, links: { self: `${ctx.hostUrl}${url}` },
})

const tagRoutes = [
  defineRoute({
    id: 'projectTags.list', method: 'GET', path: '/projects/{project_id}/tags', summary: 'List tags',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' }, url }) => {
      await guarded(api, ctx, 'identity:list_project_tags', id)
      return tagsView(ctx, url, await api.projects.fetch(id))
    },
  }),
  defineRoute({
    id: 'projectTags.replace', method: 'PUT', path: '/projects/{project_id}/tags', summary: 'Replace tags',
    policy: 'authenticated', body: tagsBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' }, url, body }) => {
      await guarded(api, ctx, 'identity:update_project_tags', id)
      return tagsView(ctx, url, await api.projects.setTags(id, () => body.tags))
    },
  }),
  defineRoute({
    id: 'projectTags.clear', method: 'DELETE', path: '/projects/{project_id}/tags', summary: 'Remove all tags',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '' } }) => {
      await guarded(api, ctx, 'identity:delete_project_tags', id)
      await api.projects.setTags(id, () => [])
    },
  }),
  defineRoute({
    id: 'projectTags.check', method: 'GET', path: '/projects/{project_id}/tags/{value}', summary: 'Check a tag',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '', value = '' } }) => {
      await guarded(api, ctx, 'identity:get_project_tag', id)
      if (!(await api.projects.fetch(id)).tags.includes(value)) throw missingTag(value)
    },
  }),
  defineRoute({
    id: 'projectTags.add', method: 'PUT', path: '/projects/{project_id}/tags/{value}', summary: 'Add a tag',
    policy: 'authenticated', reply: { status: 201 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '', value = '' }, url }) => {
      await guarded(api, ctx, 'identity:create_project_tag', id)
      if (value.length > 255 || /[,/]/.test(value)) {
        throw badRequest(
          `'${value}' is not a tag: at most 255 characters, no comma and no slash`, { field: 'tag' },
        )
      }
      await api.projects.setTags(id, (before) => [...new Set([...before, value])])
      return reply({ headers: { Location: `${ctx.hostUrl}${url}` } })
    },
  }),
  defineRoute({
    id: 'projectTags.remove', method: 'DELETE', path: '/projects/{project_id}/tags/{value}', summary: 'Remove a tag',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { project_id: id = '', value = '' } }) => {
      await guarded(api, ctx, 'identity:delete_project_tag', id)
      await api.projects.setTags(id, (before) => {
        if (!before.includes(value)) throw missingTag(value)
        return before.filter((tag) => tag !== value)
      })
    },
  }),
]

export const projectRoutes = [...projects, ...tagRoutes]
