/** How Keystone's answers look: members and collections with their links, filters and paging. */
import type { RequestContext } from '#platform/auth/context.ts'
import { isTrue } from '#platform/api-kit/schema.ts'
import { nextUrl } from '#platform/api-kit/paging.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type {
  Endpoint, EndpointGroup, Group, Limit, PolicyBlob, Project, Region, RegisteredLimit, Role, Service,
} from '../store/tables.ts'
import { isoMicros } from '#platform/clock/clock.ts'
import type { UserView } from '../manager/users.ts'
import { absolute } from '../manager/catalog.ts'

export type View = Record<string, unknown>
export type Query = Record<string, string | string[] | undefined>

export const one = (value: string | string[] | undefined): string | undefined => (
  Array.isArray(value) ? value.at(-1) : value
)

/** `?effective`, `?effective=true` and `?effective=1` ask; `?effective=0` does not. */
export const asks = (query: Query, key: string): boolean => key in query && (
  one(query[key]) === '' || isTrue(one(query[key]))
)

export const withLinks = (ctx: RequestContext, path: string, view: View): View => ({
  ...view, links: { self: `${ctx.baseUrl}${path}` },
})

/** A query such as `name__icontains=web`. */
const comparisons: Record<string, (value: string, wanted: string) => boolean> = {
  contains: (value, wanted) => value.includes(wanted),
  icontains: (value, wanted) => value.toLowerCase().includes(wanted.toLowerCase()),
  startswith: (value, wanted) => value.startsWith(wanted),
  istartswith: (value, wanted) => value.toLowerCase().startsWith(wanted.toLowerCase()),
  endswith: (value, wanted) => value.endsWith(wanted),
  iendswith: (value, wanted) => value.toLowerCase().endsWith(wanted.toLowerCase()),
}

const equals = (value: unknown, wanted: string): boolean =>
  typeof value === 'boolean' ? value === (wanted === '' || isTrue(wanted)) : String(value ?? '') === wanted

/** Keeps the views that fit the query's filters on `fields`, exact or by `__comparison`; other keys are not filters. */
export const filtered = (views: View[], query: Query, fields: readonly string[]): View[] =>
  Object.entries(query).reduce((kept, [key, given]) => {
    const wanted = one(given) ?? ''
    const [field, comparison] = key.split('__') as [string, string?]
    if (!fields.includes(field)) return kept
    if (comparison === undefined) return kept.filter((view) => equals(view[field], wanted))
    const fits = Object.hasOwn(comparisons, comparison) ? comparisons[comparison] : undefined
    return fits ? kept.filter((view) => fits(String(view[field] ?? ''), wanted)) : kept
  }, views)

interface CollectionParts { ctx: RequestContext; request: { url: string; query: Query }; key: string; listMax?: number }

const limitOf = (query: Query, listMax: number | undefined): number | undefined => {
  const asked = one(query.limit)
  if (asked === undefined) return listMax
  if (!/^\d+$/.test(asked)) {
    throw badRequest(
      `Invalid input for field/attribute limit. Value: ${asked}. '${asked}' is not a whole number of at least 0`,
      { field: 'limit' },
    )
  }
  return Number(asked) === 0 ? listMax : Math.min(Number(asked), listMax ?? Infinity)
}

const afterMarker = (views: View[], marker: string | undefined): View[] => {
  if (marker === undefined) return views
  const at = views.findIndex((view) => view.id === marker)
  if (at < 0) throw badRequest(`Marker ${marker} could not be found.`, { field: 'marker' })
  return views.slice(at + 1)
}

/** The views in a collection; with `limit` or an operator's maximum, a page of them. */
export const collection = ({ ctx, request, key, listMax }: CollectionParts, views: View[]): View => {
  const limit = limitOf(request.query, listMax)
  const rest = afterMarker(views, one(request.query.marker))
  const page = limit === undefined ? rest : rest.slice(0, limit)
  const hasMore = page.length < rest.length
  const next = hasMore && page.length > 0 ? nextUrl(ctx.hostUrl, request.url, String(page.at(-1)!.id)) : null
  return {
    [key]: page, links: { next, self: `${ctx.hostUrl}${request.url}`, previous: null },
    ...(hasMore && { truncated: true }),
  }
}

export const projectView = (ctx: RequestContext, project: Project): View => withLinks(ctx, `/projects/${project.id}`, {
  ...project.extra, id: project.id, name: project.name, domain_id: project.domain_id || null,
  parent_id: project.parent_id || null,
  is_domain: project.is_domain, enabled: project.enabled, description: project.description, tags: project.tags,
  options: project.options,
})

export const domainView = (ctx: RequestContext, domain: Project): View => withLinks(ctx, `/domains/${domain.id}`, {
  ...domain.extra, id: domain.id, name: domain.name, enabled: domain.enabled, description: domain.description,
  tags: domain.tags, options: domain.options,
})

export const userView = (ctx: RequestContext, user: UserView): View => withLinks(ctx, `/users/${user.id}`, {
  ...user.extra, id: user.id, name: user.name, domain_id: user.domain_id, enabled: user.enabled, options: user.options,
  ...(user.default_project_id !== null && { default_project_id: user.default_project_id }),
  password_expires_at: user.password_expires_at === null ? null : isoMicros(user.password_expires_at).replace('Z', ''),
})

export const groupView = (ctx: RequestContext, group: Group): View => withLinks(ctx, `/groups/${group.id}`, {
  ...group.extra, id: group.id, name: group.name, domain_id: group.domain_id, description: group.description,
})

export const roleView = (ctx: RequestContext, role: Role): View => withLinks(ctx, `/roles/${role.id}`, {
  ...role.extra, id: role.id, name: role.name, domain_id: role.domain_id || null, description: role.description,
  options: role.options,
})

export const regionView = (ctx: RequestContext, region: Region): View =>
  withLinks(ctx, `/regions/${encodeURIComponent(region.id.toWellFormed())}`, {
  ...region.extra, id: region.id, description: region.description, parent_region_id: region.parent_region_id,
})

export const serviceView = (ctx: RequestContext, service: Service): View => withLinks(ctx, `/services/${service.id}`, {
  ...service.extra, id: service.id, type: service.type, name: service.name, enabled: service.enabled,
  ...(service.description !== null && { description: service.description }),
})

export const endpointView = (ctx: RequestContext, endpoint: Endpoint): View =>
  withLinks(ctx, `/endpoints/${endpoint.id}`, {
  ...endpoint.extra, id: endpoint.id, service_id: endpoint.service_id, interface: endpoint.interface,
  url: absolute(endpoint.url, ctx.hostUrl),
  enabled: endpoint.enabled, region: endpoint.region_id, region_id: endpoint.region_id,
})

export const endpointGroupView = (ctx: RequestContext, group: EndpointGroup): View =>
  withLinks(ctx, `/OS-EP-FILTER/endpoint_groups/${group.id}`, {
  id: group.id, name: group.name, description: group.description, filters: group.filters,
})

export const policyView = (ctx: RequestContext, policy: PolicyBlob): View => withLinks(ctx, `/policies/${policy.id}`, {
  ...policy.extra, id: policy.id, type: policy.type, blob: policy.blob,
})

export const registeredLimitView = (ctx: RequestContext, limit: RegisteredLimit): View =>
  withLinks(ctx, `/registered_limits/${limit.id}`, { ...limit })

export const limitView = (ctx: RequestContext, limit: Limit): View => withLinks(ctx, `/limits/${limit.id}`, {
  id: limit.id, service_id: limit.service_id, region_id: limit.region_id, resource_name: limit.resource_name,
  project_id: limit.project_id, domain_id: limit.domain_id, resource_limit: limit.resource_limit,
  description: limit.description,
})
