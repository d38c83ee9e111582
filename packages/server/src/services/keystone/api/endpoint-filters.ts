/** OS-EP-FILTER: which endpoints a project's catalog shows. */
import { T } from '#platform/api-kit/schema.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Managers } from '../manager/managers.ts'
import { description, name, openBody, optional, someOf } from './fields.ts'
import { collection, endpointGroupView, endpointView, filtered, projectView } from './views.ts'

const filters = T.Object({
  service_id: T.Optional(T.String()), region_id: T.Optional(T.String()), interface: T.Optional(T.String()),
}, { additionalProperties: true, minProperties: 1 })
const createBody = openBody('endpoint_group', { ...optional({ description }), name, filters })
const updateBody = openBody(
  'endpoint_group', optional({ description, name, filters: T.Record(T.String(), T.String()) }),
)
type Wanted = { name: string; description?: string | null; filters: Record<string, string> }

const root = '/OS-EP-FILTER'

const groups = [
  defineRoute({
    id: 'endpointGroups.list', method: 'GET', path: `${root}/endpoint_groups`, summary: 'List endpoint groups',
    policy: 'identity:list_endpoint_groups', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const views = (await api.endpointFilters.list()).map((one) => endpointGroupView(ctx, one))
      return collection({ ctx, request, key: 'endpoint_groups' }, filtered(views, request.query, ['name']))
    },
  }),
  defineRoute({
    id: 'endpointGroups.create', method: 'POST', path: `${root}/endpoint_groups`, summary: 'Create an endpoint group',
    policy: 'identity:create_endpoint_group', body: createBody, reply: { status: 201 },
    handler: async (api: Managers, ctx, { body }) =>
      ({ endpoint_group: endpointGroupView(ctx, await api.endpointFilters.create(body.endpoint_group as Wanted)) }),
  }),
  defineRoute({
    id: 'endpointGroups.show', method: 'GET', path: `${root}/endpoint_groups/{endpoint_group_id}`,
    summary: 'Show an endpoint group', policy: 'identity:get_endpoint_group', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: {
      endpoint_group_id: id = '',
    } }) => ({ endpoint_group: endpointGroupView(ctx, await api.endpointFilters.fetch(id)) }),
  }),
  defineRoute({
    id: 'endpointGroups.update', method: 'PATCH', path: `${root}/endpoint_groups/{endpoint_group_id}`,
    summary: 'Change an endpoint group', policy: 'identity:update_endpoint_group', body: updateBody,
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { endpoint_group_id: id = '' }, body }) =>
      ({ endpoint_group: endpointGroupView(
        ctx, await api.endpointFilters.update(id, someOf(body.endpoint_group as Partial<Wanted>)),
      ) }),
  }),
  defineRoute({
    id: 'endpointGroups.delete', method: 'DELETE', path: `${root}/endpoint_groups/{endpoint_group_id}`,
    summary: 'Delete an endpoint group', policy: 'identity:delete_endpoint_group', reply: { status: 204 },
    errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      endpoint_group_id: id = '',
    } }) => await api.endpointFilters.remove(id),
  }),
  defineRoute({
    id: 'endpointGroups.endpoints', method: 'GET', path: `${root}/endpoint_groups/{endpoint_group_id}/endpoints`,
    summary: 'Endpoints of a group', policy: 'identity:list_endpoints_associated_with_endpoint_group',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const found = await api.endpointFilters.endpointsOfGroup(request.params.endpoint_group_id ?? '')
      return collection({ ctx, request, key: 'endpoints' }, found.map((one) => endpointView(ctx, one)))
    },
  }),
  defineRoute({
    id: 'endpointGroups.projects', method: 'GET', path: `${root}/endpoint_groups/{endpoint_group_id}/projects`,
    summary: 'Projects of an endpoint group', policy: 'identity:list_projects_associated_with_endpoint_group',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const found = await api.endpointFilters.projectsOfGroup(request.params.endpoint_group_id ?? '')
      return collection({ ctx, request, key: 'projects' }, found.map((one) => projectView(ctx, one)))
    },
  }),
]

const groupProject = `${root}/endpoint_groups/{endpoint_group_id}/projects/{project_id}`

const groupProjects = [
  defineRoute({
    id: 'endpointGroupProjects.show', method: 'GET', path: groupProject,
    summary: 'Check an endpoint group of a project', policy: 'identity:get_endpoint_group_in_project',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { endpoint_group_id: id = '', project_id: projectId = '' } }) => {
      await api.endpointFilters.requireGroup(projectId, id)
      return { project_endpoint_group: {
        endpoint_group_id: id, project_id: projectId,
        links: { self: `${ctx.baseUrl}${root}/endpoint_groups/${id}/projects/${projectId}` },
      } }
    },
  }),
  defineRoute({
    id: 'endpointGroupProjects.add', method: 'PUT', path: groupProject, summary: 'Give a project an endpoint group',
    policy: 'identity:add_endpoint_group_to_project', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      endpoint_group_id: id = '', project_id: projectId = '',
    } }) => await api.endpointFilters.addGroup(projectId, id),
  }),
  defineRoute({
    id: 'endpointGroupProjects.remove', method: 'DELETE', path: groupProject,
    summary: 'Take an endpoint group from a project', policy: 'identity:remove_endpoint_group_from_project',
    reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      endpoint_group_id: id = '', project_id: projectId = '',
    } }) => await api.endpointFilters.removeGroup(projectId, id),
  }),
  defineRoute({
    id: 'projectEndpointGroups.list', method: 'GET', path: `${root}/projects/{project_id}/endpoint_groups`,
    summary: 'Endpoint groups of a project', policy: 'identity:list_endpoint_groups_for_project',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const found = await api.endpointFilters.groupsOfProject(request.params.project_id ?? '')
      return collection({ ctx, request, key: 'endpoint_groups' }, found.map((one) => endpointGroupView(ctx, one)))
    },
  }),
]

const projectEndpoint = `${root}/projects/{project_id}/endpoints/{endpoint_id}`

const projectEndpoints = [
  defineRoute({
    id: 'projectEndpoints.list', method: 'GET', path: `${root}/projects/{project_id}/endpoints`,
    summary: 'Endpoints of a project', policy: 'identity:list_endpoints_for_project', reply: { status: 200 },
    errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const found = await api.endpointFilters.endpointsOfProject(request.params.project_id ?? '')
      return collection({ ctx, request, key: 'endpoints' }, found.map((one) => endpointView(ctx, one)))
    },
  }),
  defineRoute({
    id: 'endpointProjects.list', method: 'GET', path: `${root}/endpoints/{endpoint_id}/projects`,
    summary: 'Projects of an endpoint', policy: 'identity:list_projects_for_endpoint', reply: { status: 200 },
    errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const found = await api.endpointFilters.projectsOfEndpoint(request.params.endpoint_id ?? '')
      return collection({ ctx, request, key: 'projects' }, found.map((one) => projectView(ctx, one)))
    },
  }),
  defineRoute({
    id: 'projectEndpoints.check', method: 'GET', path: projectEndpoint, summary: 'Check an endpoint of a project',
    policy: 'identity:check_endpoint_in_project', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      project_id: projectId = '', endpoint_id: id = '',
    } }) => await api.endpointFilters.requireEndpoint(projectId, id),
  }),
  defineRoute({
    id: 'projectEndpoints.add', method: 'PUT', path: projectEndpoint, summary: 'Give a project an endpoint',
    policy: 'identity:add_endpoint_to_project', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      project_id: projectId = '', endpoint_id: id = '',
    } }) => await api.endpointFilters.addEndpoint(projectId, id),
  }),
  defineRoute({
    id: 'projectEndpoints.remove', method: 'DELETE', path: projectEndpoint, summary: 'Take an endpoint from a project',
    policy: 'identity:remove_endpoint_from_project', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      project_id: projectId = '', endpoint_id: id = '',
    } }) => await api.endpointFilters.removeEndpoint(projectId, id),
  }),
]

export const endpointFilterRoutes = [...groups, ...groupProjects, ...projectEndpoints]
