/** `/v2.0/security-groups` and `/v2.0/security-group-rules`. */
import { Nullable, T } from '#platform/api-kit/schema.ts'
import { sharedFilter } from './listing.ts'
import type { SecurityGroup, SecurityGroupRule } from '../store/tables.ts'
import {
  choice,
  flag,
  foreignId,
  integer,
  optional,
  standardAttributes,
  structure,
  taggable,
  text,
  uuidType,
  type Attributes,
  type AttributeType,
} from './attributes.ts'
import { resourceRoutes, standardView, type ResourceSpec } from './resource.ts'

const groupAttributes: Attributes = {
  ...standardAttributes,
  ...taggable,
  name: { type: text(), post: true, put: true },
  stateful: { type: flag, post: true, put: true },
  security_group_rules: { type: structure(T.Array(T.Object({}))) },
  shared: { type: structure(T.Boolean()) },
}

const groupSpec: ResourceSpec<SecurityGroup> = {
  title: 'security group',
  path: 'security-groups',
  name: 'security_group',
  plural: 'security_groups',
  attributes: groupAttributes,
  manager: (api) => api.securityGroups,
  beforeList: (api, ctx) => api.securityGroups.defaultEnsure(ctx),
  filters: { shared: sharedFilter('security_group') },
  views: async (api, ctx, groups) => {
    const { rules, shared } = await api.securityGroups.surroundings(ctx, groups)
    return groups.map((group) => ({
      ...standardView(group),
      name: group.name,
      stateful: group.stateful,
      shared: shared.has(group.id),
      security_group_rules: (rules.get(group.id) ?? []).map(ruleView),
    }))
  },
}

const ethertype: AttributeType = {
  schema: T.String(),
  sorts: true,
  filter: (value) => value,
  problem: (value) => (/^ipv[46]$/i.test(value) ? undefined : `'${value}' is not in ["IPv4","IPv6"]`),
  read: (value: string) => `IPv${value.at(-1)}`,
}
const protocol: AttributeType = {
  schema: Nullable(T.Union([T.String({ maxLength: 40 }), T.Integer()])),
  filter: (value) => value,
  read: (value) => (value === null ? null : String(value)),
}
const wholeOrNull = optional(integer(-(2 ** 31), 2 ** 31))
const range: AttributeType = {
  ...wholeOrNull,
  read: (value) => (value === null || value === '' ? null : Number(value)),
}

const ruleAttributes: Attributes = {
  ...standardAttributes,
  ...taggable,
  security_group_id: { type: uuidType, post: true, required: true },
  direction: { type: choice('ingress', 'egress'), post: true, required: true },
  ethertype: { type: ethertype, post: true },
  protocol: { type: protocol, post: true },
  port_range_min: { type: range, post: true },
  port_range_max: { type: range, post: true },
  remote_ip_prefix: { type: optional(text(64)), post: true },
  remote_group_id: { type: optional(foreignId), post: true },
  remote_address_group_id: { type: optional(foreignId), post: true },
  normalized_cidr: { type: structure(T.Null()) },
}

export const ruleView = (rule: SecurityGroupRule): Record<string, unknown> => ({
  ...standardView(rule),
  security_group_id: rule.security_group_id,
  direction: rule.direction,
  ethertype: rule.ethertype,
  protocol: rule.protocol,
  port_range_min: rule.port_range_min,
  port_range_max: rule.port_range_max,
  remote_ip_prefix: rule.remote_ip_prefix,
  normalized_cidr: rule.remote_ip_prefix,
  remote_group_id: rule.remote_group_id,
  remote_address_group_id: rule.remote_address_group_id,
})

const ruleSpec: ResourceSpec<SecurityGroupRule> = {
  title: 'security group rule',
  path: 'security-group-rules',
  name: 'security_group_rule',
  plural: 'security_group_rules',
  attributes: ruleAttributes,
  fixed: true,
  manager: (api) => api.securityGroupRules,
  beforeList: (api, ctx) => api.securityGroups.defaultEnsure(ctx),
  views: (_api, _ctx, rules) => rules.map(ruleView),
}

export const securityGroupRoutes = [...resourceRoutes(groupSpec), ...resourceRoutes(ruleSpec)]
