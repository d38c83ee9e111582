/** Who may see a record, as SQL conditions: its owner, an admin, or whom an RBAC policy names. */
import type { Executor } from '#platform/db/database.ts'
import type { Condition } from './records.ts'
import type { RbacPolicy } from './tables.ts'

export interface Viewer {
  projectId: string
  isAdmin: boolean
}

/** Ids of objects of one type that were opened to the project, or to all. */
const opened = (expression: any, viewer: Viewer, objectType: string, actions: string[]) =>
  expression
    .selectFrom('neutron_rbac')
    .select('object_id')
    .where('object_type', '=', objectType)
    .where('action', 'in', actions)
    .where('target_tenant', 'in', ['*', viewer.projectId])

/** The owner's, and what RBAC opens by one of these actions. */
const ownOrBy =
  (actions: string[]) =>
  (viewer: Viewer, objectType: string): Condition | undefined =>
    viewer.isAdmin
      ? undefined
      : (expression) =>
          expression.or([
            expression('project_id', '=', viewer.projectId),
            expression('id', 'in', opened(expression, viewer, objectType, actions)),
          ])

/** The owner's, and what RBAC opens. */
export const ownOrOpened = ownOrBy(['access_as_shared', 'access_as_external'])

/** The owner's, and what is shared: an external network may be used from outside, but not looked into. */
export const ownOrShared = ownOrBy(['access_as_shared'])

export const own = (viewer: Viewer): Condition | undefined =>
  viewer.isAdmin ? undefined : (expression) => expression('project_id', '=', viewer.projectId)

/** A port's owner, and the owner of its network. */
export const ownOrOnOwnNetwork = (viewer: Viewer): Condition | undefined =>
  viewer.isAdmin
    ? undefined
    : (expression) =>
        expression.or([
          expression('project_id', '=', viewer.projectId),
          expression(
            'network_id',
            'in',
            expression.selectFrom('neutron_network').select('id').where('project_id', '=', viewer.projectId),
          ),
        ])

export const isShared =
  (objectType: string, shared: boolean, projectId: string): Condition =>
  (expression) => {
    const ids = opened(expression, { projectId, isAdmin: false }, objectType, ['access_as_shared'])
    return expression('id', shared ? 'in' : 'not in', ids)
  }

/** Ids among those given that are shared with the project or with all. */
export const sharedAmong = async (
  executor: Executor,
  objectType: string,
  ids: string[],
  projectId: string,
): Promise<Set<string>> => {
  if (ids.length === 0) return new Set()
  const rows = await executor
    .as<{ neutron_rbac: RbacPolicy }>()
    .selectFrom('neutron_rbac')
    .select('object_id')
    .where('object_type', '=', objectType)
    .where('action', '=', 'access_as_shared')
    .where('target_tenant', 'in', ['*', projectId])
    .where('object_id', 'in', ids)
    .execute()
  return new Set(rows.map(({ object_id }) => object_id))
}
