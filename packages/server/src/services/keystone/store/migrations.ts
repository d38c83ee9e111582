/** Keystone's tables. Domains are projects that have no parent, as upstream stores them. */
import type { Kysely } from 'kysely'
import {
  count, flag, flagOn, id, integer, json, optionalInteger, optionalJson, optionalText, optionalTime, text, time,
  type Column,
} from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'

interface TableShape { columns: Record<string, Column>; unique?: string[][]; indexes?: string[][] }

const tables: Record<string, TableShape> = {
  identity_project: {
    columns: {
      name: text, domain_id: text, parent_id: text, is_domain: flag, enabled: flagOn, description: text, tags: json,
      options: json, extra: json,
    },
    unique: [['domain_id', 'name']], indexes: [['parent_id']],
  },
  identity_user: {
    columns: {
      name: text, domain_id: text, enabled: flagOn, default_project_id: optionalText, options: json, extra: json,
      created_at: time, failed_count: count, failed_at: optionalTime, last_active_at: optionalTime,
    },
    unique: [['domain_id', 'name']],
  },
  identity_password: {
    columns: { user_id: text, hash: text, created_at: time, expires_at: optionalTime, self_service: flag },
    indexes: [['user_id', 'created_at']],
  },
  identity_group: {
    columns: { name: text, domain_id: text, description: text, extra: json }, unique: [['domain_id', 'name']],
  },
  identity_membership: {
    columns: { group_id: text, user_id: text }, unique: [['user_id', 'group_id']], indexes: [['group_id']],
  },
  identity_role: {
    columns: { name: text, domain_id: text, description: optionalText, options: json, extra: json },
    unique: [['domain_id', 'name']],
  },
  identity_implied_role: {
    columns: { prior_role_id: text, implied_role_id: text }, unique: [['prior_role_id', 'implied_role_id']],
  },
  identity_assignment: {
    columns: { actor_type: text, actor_id: text, target_type: text, target_id: text, role_id: text, inherited: flag },
    unique: [['actor_id', 'target_id', 'role_id', 'inherited', 'target_type', 'actor_type']],
    indexes: [['target_id'], ['role_id']],
  },
  identity_region: { columns: { description: text, parent_region_id: optionalText, extra: json } },
  identity_service: { columns: { type: text, name: text, enabled: flagOn, description: optionalText, extra: json } },
  identity_endpoint: {
    columns: { service_id: text, region_id: optionalText, interface: text, url: text, enabled: flagOn, extra: json },
    indexes: [['service_id']],
  },
  identity_credential: {
    columns: { user_id: text, project_id: optionalText, type: text, blob: text, extra: json },
    indexes: [['user_id'], ['project_id']],
  },
  identity_application_credential: {
    columns: {
      user_id: text, project_id: text, name: text, description: optionalText, secret_hash: text, unrestricted: flag,
      expires_at: optionalTime, expires_text: optionalText, role_ids: json, access_rule_ids: optionalJson,
    },
    unique: [['user_id', 'name']], indexes: [['project_id']],
  },
  identity_access_rule: {
    columns: { user_id: text, service: text, method: text, path: text },
    unique: [['user_id', 'service', 'method', 'path']],
  },
  identity_trust: {
    columns: {
      trustor_user_id: text, trustee_user_id: text, project_id: optionalText, impersonation: flag,
      expires_at: optionalTime,
      remaining_uses: optionalInteger, role_ids: json, allow_redelegation: flag, redelegation_count: integer,
      redelegated_trust_id: optionalText, deleted_at: optionalTime, extra: json,
    },
    indexes: [['trustor_user_id'], ['trustee_user_id'], ['project_id'], ['redelegated_trust_id']],
  },
  identity_policy: { columns: { type: text, blob: text, extra: json } },
  identity_policy_association: {
    columns: { policy_id: text, endpoint_id: optionalText, service_id: optionalText, region_id: optionalText },
    indexes: [['policy_id']],
  },
  identity_registered_limit: {
    columns: {
      service_id: text, region_id: optionalText, resource_name: text, default_limit: integer, description: optionalText,
    },
    indexes: [['service_id', 'resource_name']],
  },
  identity_limit: {
    columns: {
      registered_limit_id: text, service_id: text, region_id: optionalText, resource_name: text,
      project_id: optionalText,
      domain_id: optionalText, resource_limit: integer, description: optionalText,
    },
    indexes: [['project_id'], ['domain_id'], ['registered_limit_id']],
  },
  identity_revocation: {
    columns: { mark: text, issued_before: time, revoked_at: time, expires_at: time },
    indexes: [['revoked_at'], ['expires_at']],
  },
  identity_domain_config: { columns: { config: json } },
  identity_endpoint_group: { columns: { name: text, description: optionalText, filters: json } },
  identity_project_endpoint: {
    columns: { project_id: text, endpoint_id: text }, unique: [['project_id', 'endpoint_id']],
  },
  identity_project_endpoint_group: {
    columns: { project_id: text, endpoint_group_id: text }, unique: [['project_id', 'endpoint_group_id']],
  },
}

const createTable = async (
  schema: Kysely<any>, name: string, { columns, unique = [], indexes = [] }: TableShape,
): Promise<void> => {
  let table = schema.schema.createTable(name).addColumn('id', ...id)
  for (const [column, shape] of Object.entries(columns)) table = table.addColumn(column, ...shape)
  await table.execute()
  for (const key of unique) await schema.schema.createIndex(
    `${name}_${key.join('_')}_key`.slice(0, 60)
  ).on(name).columns(key).unique().execute()
  for (const key of indexes) await schema.schema.createIndex(
    `${name}_${key.join('_')}_idx`.slice(0, 60)
  ).on(name).columns(key).execute()
}

export const migrations = [
  defineMigration({
    id: '0001-identity',
    up: async (schema) => {
      for (const [name, shape] of Object.entries(tables)) await createTable(schema, name, shape)
    },
  }),
  defineMigration({
    id: '0002-token-keys',
    up: async (schema) => {
      await schema.schema.createTable('identity_token_key').addColumn('number', 'bigint', (it) => it.primaryKey())
        .addColumn('sealed', ...text).addColumn('made_at', ...time).execute()
    },
  }),
]
