/** Neutron's tables. */
import type { CreateTableBuilder, Kysely } from 'kysely'
import { defineMigration } from '#platform/db/migrate.ts'
import {
  count,
  flag,
  flagOn,
  id,
  integer,
  json,
  optionalInteger,
  optionalJson,
  optionalText,
  reference,
  text,
  time,
  type Column,
} from '#platform/db/columns.ts'
import { deviceNamesMigration } from './device-names.ts'

/** A table with the columns that every resource has. */
const standard = (
  schema: Kysely<any>,
  table: string,
  columns: Record<string, Column>,
): CreateTableBuilder<string, string> => {
  let builder: CreateTableBuilder<string, string> = schema.schema
    .createTable(table)
    .addColumn('id', ...id)
    .addColumn('project_id', ...text)
    .addColumn('description', ...text)
    .addColumn('tags', ...json)
    .addColumn('revision_number', ...count)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
  for (const [name, column] of Object.entries(columns)) builder = builder.addColumn(name, ...column)
  return builder
}

const index = async (schema: Kysely<any>, table: string, ...columns: string[]): Promise<void> => {
  await schema.schema
    .createIndex(`${table}_${columns.join('_')}`)
    .on(table)
    .columns(columns)
    .execute()
}

const networks = async (schema: Kysely<any>): Promise<void> => {
  await standard(schema, 'neutron_network', {
    name: text,
    admin_state_up: flagOn,
    status: text,
    external: flag,
    mtu: integer,
    network_type: text,
    physical_network: optionalText,
    segmentation_id: integer,
    port_security_enabled: flagOn,
    dns_domain: text,
    availability_zone_hints: json,
    is_default: flag,
  })
    .addUniqueConstraint('neutron_network_segment', ['segmentation_id'])
    .execute()
  await index(schema, 'neutron_network', 'project_id')
  await standard(schema, 'neutron_subnet', {
    name: text,
    network_id: reference('neutron_network.id'),
    ip_version: integer,
    cidr: text,
    gateway_ip: optionalText,
    enable_dhcp: flagOn,
    allocation_pools: json,
    dns_nameservers: json,
    host_routes: json,
    ipv6_ra_mode: optionalText,
    ipv6_address_mode: optionalText,
    subnetpool_id: optionalText,
    service_types: json,
    dns_publish_fixed_ip: flag,
  }).execute()
  await index(schema, 'neutron_subnet', 'network_id')
}

const ports = async (schema: Kysely<any>): Promise<void> => {
  await standard(schema, 'neutron_port', {
    name: text,
    network_id: reference('neutron_network.id'),
    mac_address: text,
    admin_state_up: flagOn,
    status: text,
    device_id: text,
    device_owner: text,
    fixed_ips: json,
    security_groups: json,
    allowed_address_pairs: json,
    port_security_enabled: flagOn,
    host: text,
    vnic_type: text,
    profile: json,
    extra_dhcp_opts: json,
    dns_name: text,
    sandbox: optionalJson,
    device_tag: text,
    attached_at: integer,
    adopted: flag,
  })
    .addUniqueConstraint('neutron_port_mac', ['network_id', 'mac_address'])
    .execute()
  for (const column of ['device_id', 'project_id', 'host']) await index(schema, 'neutron_port', column)
  await schema.schema
    .createTable('neutron_allocation')
    .addColumn('subnet_id', ...reference('neutron_subnet.id'))
    .addColumn('ip_address', ...text)
    .addColumn('port_id', ...reference('neutron_port.id', { cascade: true }))
    .addColumn('network_id', ...text)
    .addPrimaryKeyConstraint('neutron_allocation_key', ['subnet_id', 'ip_address'])
    .execute()
  await index(schema, 'neutron_allocation', 'port_id')
}

const groups = async (schema: Kysely<any>): Promise<void> => {
  await standard(schema, 'neutron_security_group', { name: text, stateful: flagOn }).execute()
  await index(schema, 'neutron_security_group', 'project_id')
  await standard(schema, 'neutron_security_group_rule', {
    security_group_id: reference('neutron_security_group.id', { cascade: true }),
    direction: text,
    ethertype: text,
    protocol: optionalText,
    port_range_min: optionalInteger,
    port_range_max: optionalInteger,
    remote_ip_prefix: optionalText,
    remote_group_id: optionalText,
    remote_address_group_id: optionalText,
  }).execute()
  for (const column of ['security_group_id', 'remote_group_id'])
    await index(schema, 'neutron_security_group_rule', column)
  await schema.schema
    .createTable('neutron_membership')
    .addColumn('port_id', ...reference('neutron_port.id', { cascade: true }))
    .addColumn('security_group_id', ...reference('neutron_security_group.id'))
    .addPrimaryKeyConstraint('neutron_membership_key', ['port_id', 'security_group_id'])
    .execute()
  await index(schema, 'neutron_membership', 'security_group_id')
  await schema.schema
    .createTable('neutron_default_group')
    .addColumn('project_id', ...id)
    .addColumn('security_group_id', ...text)
    .execute()
  await standard(schema, 'neutron_address_group', { name: text, addresses: json }).execute()
}

const layerThree = async (schema: Kysely<any>): Promise<void> => {
  await standard(schema, 'neutron_router', {
    name: text,
    admin_state_up: flagOn,
    status: text,
    gateway: optionalJson,
    routes: json,
    availability_zone_hints: json,
  }).execute()
  await standard(schema, 'neutron_floatingip', {
    floating_network_id: reference('neutron_network.id'),
    floating_ip_address: text,
    own_port_id: text,
    port_id: optionalText,
    fixed_ip_address: optionalText,
    router_id: optionalText,
    status: text,
    dns_name: text,
    dns_domain: text,
  })
    .addUniqueConstraint('neutron_floatingip_target', ['floating_network_id', 'port_id', 'fixed_ip_address'])
    .execute()
  for (const column of ['project_id', 'port_id', 'router_id']) await index(schema, 'neutron_floatingip', column)
  await standard(schema, 'neutron_port_forwarding', {
    floatingip_id: reference('neutron_floatingip.id', { cascade: true }),
    protocol: text,
    external_port: integer,
    external_port_last: integer,
    internal_port_id: text,
    internal_ip_address: text,
    internal_port: integer,
    internal_port_last: integer,
  }).execute()
  for (const column of ['floatingip_id', 'internal_port_id']) await index(schema, 'neutron_port_forwarding', column)
}

const sharing = async (schema: Kysely<any>): Promise<void> => {
  await standard(schema, 'neutron_address_scope', { name: text, ip_version: integer, shared: flag }).execute()
  await standard(schema, 'neutron_subnetpool', {
    name: text,
    ip_version: integer,
    prefixes: json,
    default_prefixlen: integer,
    min_prefixlen: integer,
    max_prefixlen: integer,
    address_scope_id: optionalText,
    is_default: flag,
    default_quota: optionalInteger,
    shared: flag,
  }).execute()
  await standard(schema, 'neutron_rbac', { object_type: text, object_id: text, action: text, target_tenant: text })
    .addUniqueConstraint('neutron_rbac_key', ['object_type', 'object_id', 'action', 'target_tenant'])
    .execute()
  await index(schema, 'neutron_rbac', 'object_id', 'target_tenant')
  await schema.schema
    .createTable('neutron_seed')
    .addColumn('name', ...id)
    .addColumn('made_at', ...time)
    .execute()
}

export const neutronMigrations = [
  defineMigration({
    id: '0001-networking',
    up: async (schema) => {
      for (const part of [networks, ports, groups, layerThree, sharing]) await part(schema)
    },
  }),
  defineMigration({
    id: '0002-agents',
    up: async (schema) => {
      await schema.schema
        .createTable('neutron_agent')
        .addColumn('id', ...id)
        .addColumn('description', ...text)
        .addColumn('admin_state_up', ...flagOn)
        .execute()
    },
  }),
  defineMigration({
    id: '0003-quota-owners',
    up: async (schema) => {
      await schema.schema
        .createTable('neutron_quota_owner')
        .addColumn('project_id', ...id)
        .execute()
    },
  }),
  deviceNamesMigration,
  defineMigration({
    id: '0005-no-quota-owners',
    up: async (schema) => {
      await schema.schema.dropTable('neutron_quota_owner').execute()
    },
  }),
]
