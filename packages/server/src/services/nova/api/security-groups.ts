/** Security groups as Nova's API showed them until 2.35, where older clients still look them up: Neutron's own. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { SecurityGroupInfo } from '#services/neutron/facade.ts'
import type { NovaApi } from './nova-api.ts'

type Rule = SecurityGroupInfo['rules'][number]

/** Nova names a range always: all ports of TCP and UDP, −1 for what has none. */
const rangeOf = ({ protocol, portMin, portMax }: Rule): { from_port: number | null; to_port: number | null } => {
  if (portMin !== undefined) return { from_port: portMin, to_port: portMax ?? -1 }
  if (protocol === undefined) return { from_port: null, to_port: null }
  return ['tcp', 'udp'].includes(protocol) ? { from_port: 1, to_port: 65535 } : { from_port: -1, to_port: -1 }
}

const ruleView = (group: SecurityGroupInfo, groups: SecurityGroupInfo[], rule: Rule): object => {
  const remote = groups.find(({ id }) => id === rule.remoteGroupId)
  const everywhere = rule.etherType === 'IPv6' ? '::/0' : '0.0.0.0/0'
  return {
    id: rule.id,
    parent_group_id: group.id,
    ip_protocol: rule.protocol ?? null,
    ...rangeOf(rule),
    group: remote ? { name: remote.name, tenant_id: remote.projectId } : {},
    ip_range: rule.remoteGroupId === undefined ? { cidr: rule.remoteCidr ?? everywhere } : {},
  }
}

/** It never had rules for what leaves a server. */
const view = (group: SecurityGroupInfo, groups: SecurityGroupInfo[]): object => ({
  id: group.id,
  name: group.name,
  description: group.description,
  tenant_id: group.projectId,
  rules: group.rules.filter(({ direction }) => direction === 'ingress').map((rule) => ruleView(group, groups, rule)),
})

export const securityGroupRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'securityGroups.list',
    method: 'GET',
    path: '/os-security-groups',
    summary: 'List security groups, as older clients ask',
    policy: 'os_compute_api:os-security-groups:get',
    until: '2.35',
    reply: { status: 200 },
    handler: async (api, ctx) => {
      const groups = await api.neutron.securityGroupsList(ctx.projectId)
      return { security_groups: groups.map((group) => view(group, groups)) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'securityGroups.show',
    method: 'GET',
    path: '/os-security-groups/{group_id}',
    summary: 'Show a security group, as older clients ask',
    policy: 'os_compute_api:os-security-groups:show',
    until: '2.35',
    reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params }) => {
      const groups = await api.neutron.securityGroupsList(ctx.projectId)
      const group = groups.find(({ id }) => id === params.group_id)
      if (!group) throw notFound(`Security group ${params.group_id} not found.`)
      return { security_group: view(group, groups) }
    },
  }),
]
