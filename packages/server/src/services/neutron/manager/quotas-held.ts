/** What Neutron's records hold of quota by its own account, so that quota can be recounted from them. */
import type { Executor } from '#platform/db/database.ts'
import type { HeldByRow, QuotaOwner } from '#services/quota/facade.ts'
import {
  floatingIpKind,
  networkKind,
  portKind,
  rbacKind,
  routerKind,
  securityGroupKind,
  securityGroupRuleKind,
  subnetKind,
  subnetPoolKind,
} from '../store/kinds.ts'
import type { Kind } from '../store/kinds.ts'
import { fetch, list } from '../store/records.ts'
import type { Port, Standard } from '../store/tables.ts'
import type { NeutronParts } from './parts.ts'
import { isCounted } from './port-maker.ts'

/**
 * By quota's names. The default group of a project, what a group starts with, and the policies of networks that are
 * shared or external were made by nobody's own request and are not counted.
 */
const kinds: Record<string, { kind: Kind<any>; mayBeFree?: true }> = {
  networks: { kind: networkKind },
  subnets: { kind: subnetKind },
  subnetpools: { kind: subnetPoolKind },
  ports: { kind: portKind },
  routers: { kind: routerKind },
  floatingips: { kind: floatingIpKind },
  rbac_policies: { kind: rbacKind, mayBeFree: true },
  security_groups: { kind: securityGroupKind, mayBeFree: true },
  security_group_rules: { kind: securityGroupRuleKind, mayBeFree: true },
}

export const recordsHeld = ({ db }: Pick<NeutronParts, 'db'>): QuotaOwner[] =>
  Object.entries(kinds).map(([resource, { kind, mayBeFree }]) => {
    const held = (record: Standard): HeldByRow => ({
      key: record.id,
      projectId: record.project_id,
      amounts: countOf(kind, record) ? { [resource]: 1 } : {},
      ...(mayBeFree && { mayBeFree }),
    })
    return {
      name: 'neutron',
      prefix: `neutron:${resource}:`,
      look: async (executor: Executor, id: string) => {
        const record = await fetch<Standard>(executor, kind, id)
        return record && held(record)
      },
      list: async (after: string, limit: number) => {
        const conditions = [(where: any) => where('id', '>', after)]
        const records = await list<Standard>(db, kind, {
          conditions,
          sort: [{ column: 'id', direction: 'asc' }],
          limit,
        })
        return records.map(held)
      },
    }
  })

const countOf = (kind: Kind<any>, record: Standard): boolean =>
  kind === portKind ? isCounted(record as Port) : record.project_id !== ''
