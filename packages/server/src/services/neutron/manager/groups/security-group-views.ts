/** Security groups as other services see them. */
import type { Tx } from '#platform/db/database.ts'
import type { SecurityGroupInfo } from '../../facade.ts'
import { ownOrOpened } from '../../store/access.ts'
import { securityGroupKind, securityGroupRuleKind } from '../../store/kinds.ts'
import { isIn, list } from '../../store/records.ts'
import type { SecurityGroupRule } from '../../store/tables.ts'
import { defaultGroupEnsure } from '../default-group.ts'
import type { NeutronParts } from '../parts.ts'

export const securityGroupInfos = async (
  parts: NeutronParts,
  tx: Tx,
  projectId: string,
): Promise<SecurityGroupInfo[]> => {
  await defaultGroupEnsure(parts, tx, projectId)
  const usable = ownOrOpened({ projectId, isAdmin: false }, 'security_group')!
  const groups = await list(tx, securityGroupKind, {
    conditions: [usable],
    sort: [
      { column: 'name', direction: 'asc' },
      { column: 'id', direction: 'asc' },
    ],
  })
  const ids = groups.map(({ id }) => id)
  const rules = await list(tx, securityGroupRuleKind, { conditions: [isIn('security_group_id', ids)] })
  const rulesOf = Map.groupBy(rules, ({ security_group_id }) => security_group_id)
  return groups.map((group) => ({
    id: group.id,
    name: group.name,
    description: group.description,
    projectId: group.project_id,
    rules: (rulesOf.get(group.id) ?? []).map(ruleInfo),
  }))
}

/** A rule without what only a host needs of it. */
export const ruleInfo = (rule: SecurityGroupRule): SecurityGroupInfo['rules'][number] => ({
  id: rule.id,
  direction: rule.direction,
  etherType: rule.ethertype,
  ...(rule.protocol !== null && { protocol: rule.protocol }),
  ...(rule.port_range_min !== null && { portMin: rule.port_range_min }),
  ...(rule.port_range_max !== null && { portMax: rule.port_range_max }),
  ...(rule.remote_ip_prefix !== null && { remoteCidr: rule.remote_ip_prefix }),
  ...(rule.remote_group_id !== null && { remoteGroupId: rule.remote_group_id }),
})
