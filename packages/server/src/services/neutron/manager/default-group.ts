/** The security group that every project has: made when it is first needed, once, whoever asks at the same time. */
import type { Tx } from '#platform/db/database.ts'
import { uuid } from '#platform/ids/ids.ts'
import { defaultGroupClaim, defaultGroupFind } from '../store/memberships.ts'
import { securityGroupKind, securityGroupRuleKind } from '../store/kinds.ts'
import { insert, insertMany } from '../store/records.ts'
import type { SecurityGroup, SecurityGroupRule } from '../store/tables.ts'
import { born, changed, type NeutronParts } from './parts.ts'

type Pattern = Pick<SecurityGroupRule, 'direction' | 'ethertype' | 'remote_group_id'>

/** Everything may leave; what a new group starts with. */
export const egressAll: Pattern[] = [
  { direction: 'egress', ethertype: 'IPv4', remote_group_id: null },
  { direction: 'egress', ethertype: 'IPv6', remote_group_id: null },
]
const fromMembers = (groupId: string): Pattern[] => [
  { direction: 'ingress', ethertype: 'IPv4', remote_group_id: groupId },
  { direction: 'ingress', ethertype: 'IPv6', remote_group_id: groupId },
]

export const rulesFrom = (parts: NeutronParts, group: SecurityGroup, patterns: Pattern[]): SecurityGroupRule[] =>
  patterns.map((pattern) => ({
    ...born(parts, uuid(), group.project_id),
    security_group_id: group.id,
    protocol: null,
    port_range_min: null,
    port_range_max: null,
    remote_ip_prefix: null,
    remote_address_group_id: null,
    ...pattern,
  }))

/** The id of the project's default group. It is not counted in the project's quota: nobody asked for it. */
export const defaultGroupEnsure = async (parts: NeutronParts, tx: Tx, projectId: string): Promise<string> => {
  const known = await defaultGroupFind(tx, projectId)
  if (known !== undefined) return known
  const group: SecurityGroup = {
    ...born(parts, uuid(), projectId),
    name: 'default',
    description: 'Default security group',
    stateful: true,
  }
  if (!(await defaultGroupClaim(tx, projectId, group.id))) {
    const other = await defaultGroupFind(tx, projectId)
    if (other !== undefined) return other
    throw new Error(`The default security group of project ${projectId} was claimed and let go at the same time`)
  }
  await insert(tx, securityGroupKind, group)
  await insertMany(tx, securityGroupRuleKind, rulesFrom(parts, group, [...egressAll, ...fromMembers(group.id)]))
  changed(tx, 'security_group', group.id)
  return group.id
}
