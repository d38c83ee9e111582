/** Two hands on one number: what Keystone limits is not set here as well. */
import type { Tx } from '#platform/db/database.ts'
import { unifiedLimitsList } from '../../store/unified-limits.ts'
import { keptByKeystone } from '../refusing.ts'

/** Refuses a setting that the next look at Keystone would undo. */
export const assertFree = async (tx: Tx, projectId: string, resources: readonly string[]): Promise<void> => {
  const followed = (await unifiedLimitsList(tx, projectId)).find((row) => resources.includes(row.resource))
  if (!followed) return
  const { resource, limit_id: id, value } = followed
  throw keptByKeystone(
    `The limit of ${resource} of project ${projectId} is set in Keystone to ${value}. ` +
      `Change it there: openstack limit set --resource-limit N ${id}`,
    resource,
    id,
  )
}
