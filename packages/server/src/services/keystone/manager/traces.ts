/** Removes what refers to something that goes: assignments, credentials, trusts, limits, memberships. */
import type { Tx } from '#platform/db/database.ts'
import {
  accessRules, applicationCredentials, assignments, credentials, domainConfigs, limits, memberships, passwords,
  projectEndpointGroups, projectEndpoints, trusts, users,
} from '../store/entity-store.ts'

export const removeTracesOfProject = async (tx: Tx, id: string): Promise<void> => {
  await assignments.removeWhere(tx, { target_id: id, target_type: 'project' })
  await credentials.removeWhere(tx, { project_id: id })
  await applicationCredentials.removeWhere(tx, { project_id: id })
  await trusts.removeWhere(tx, { project_id: id })
  await limits.removeWhere(tx, { project_id: id })
  await projectEndpoints.removeWhere(tx, { project_id: id })
  await projectEndpointGroups.removeWhere(tx, { project_id: id })
  for (const user of await users.list(tx, { default_project_id: id })) await users.update(
    tx, user.id, { default_project_id: null },
  )
}

export const removeTracesOfUser = async (tx: Tx, id: string): Promise<void> => {
  await assignments.removeWhere(tx, { actor_id: id, actor_type: 'user' })
  await memberships.removeWhere(tx, { user_id: id })
  await passwords.removeWhere(tx, { user_id: id })
  await credentials.removeWhere(tx, { user_id: id })
  await applicationCredentials.removeWhere(tx, { user_id: id })
  await accessRules.removeWhere(tx, { user_id: id })
  await trusts.removeWhere(tx, { trustor_user_id: id })
  await trusts.removeWhere(tx, { trustee_user_id: id })
}

export const removeTracesOfGroup = async (tx: Tx, id: string): Promise<void> => {
  await assignments.removeWhere(tx, { actor_id: id, actor_type: 'group' })
  await memberships.removeWhere(tx, { group_id: id })
}

export const removeTracesOfDomain = async (tx: Tx, id: string): Promise<void> => {
  await assignments.removeWhere(tx, { target_id: id })
  await limits.removeWhere(tx, { domain_id: id })
  await domainConfigs.removeWhere(tx, { id })
}
