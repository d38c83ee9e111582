/** The tables' history. */
import {
  autoId,
  count,
  flag,
  flagOn,
  id,
  integer,
  json,
  optionalInteger,
  optionalJson,
  optionalText,
  optionalTime,
  text,
  time,
} from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'
import type { Migration } from '#platform/db/migrate.ts'
import { cheaperClaims } from './cheaper-claims-migration.ts'
import { forgottenProjects } from './forgotten.ts'
import { debts } from './debts-migration.ts'
import { ticketsOfAsks, waitingLines } from './waiting-migration.ts'

type Schema = Parameters<Migration['up']>[0]

async function settings(schema: Schema): Promise<void> {
  await schema.schema
    .createTable('quota_resource')
    .addColumn('name', ...id)
    .addColumn('service', ...text)
    .addColumn('default_limit', ...integer)
    .addColumn('unit', ...text)
    .execute()
  await schema.schema
    .createTable('quota_project')
    .addColumn('id', ...id)
    .addColumn('parent_id', ...optionalText)
    .addColumn('root_id', ...text)
    .addColumn('path', ...json)
    .addColumn('policy', ...json)
    .execute()
  await schema.schema.createIndex('quota_project_root').on('quota_project').column('root_id').execute()
  await schema.schema
    .createTable('quota_holding')
    .addColumn('project_id', ...text)
    .addColumn('resource', ...text)
    .addColumn('own', ...integer)
    .addColumn('pool', ...integer)
    .addColumn('lend', ...integer)
    .addColumn('borrow', ...integer)
    .addColumn('ceiling', ...optionalInteger)
    .addColumn('weight', ...integer)
    .addColumn('tier', ...integer)
    .addColumn('self', ...optionalJson)
    .addPrimaryKeyConstraint('quota_holding_key', ['project_id', 'resource'])
    .execute()
}

async function use(schema: Schema): Promise<void> {
  const cell = schema.schema
    .createTable('quota_cell')
    .addColumn('node', ...text)
    .addColumn('resource', ...text)
    .addColumn('root_id', ...text)
  await ['visible', 'counted', 'subtree', 'private', 'bound', 'ceiling', 'lendable', 'borrow', 'reserved']
    .reduce((table, name) => table.addColumn(name, ...count), cell as any)
    .addColumn('watched', ...flag)
    .addPrimaryKeyConstraint('quota_cell_key', ['node', 'resource'])
    .execute()
  await schema.schema.createIndex('quota_cell_root').on('quota_cell').columns(['root_id', 'resource']).execute()
  await schema.schema
    .createTable('quota_claim')
    .addColumn('subject', ...id)
    .addColumn('project_id', ...text)
    .addColumn('amounts', ...json)
    .addColumn('state', ...text)
    .addColumn('reclaimable', ...text)
    .addColumn('priority', ...integer)
    .addColumn('started_at', ...time)
    .addColumn('expires_at', ...optionalTime)
    .execute()
  await schema.schema.createIndex('quota_claim_project').on('quota_claim').column('project_id').execute()
  await schema.schema.createIndex('quota_claim_expiry').on('quota_claim').column('expires_at').execute()
}

async function reclaim(schema: Schema): Promise<void> {
  await schema.schema
    .createTable('quota_ticket')
    .addColumn('project_id', ...id)
    .addColumn('amounts', ...json)
    .addColumn('created_at', ...time)
    .addColumn('expires_at', ...time)
    .execute()
  await schema.schema
    .alterTable('quota_claim')
    .addColumn('ticket', ...optionalText)
    .execute()
  await schema.schema
    .alterTable('quota_claim')
    .addColumn('deadline_at', ...optionalTime)
    .execute()
  await schema.schema.createIndex('quota_claim_ticket').on('quota_claim').column('ticket').execute()
}

async function history(schema: Schema): Promise<void> {
  await schema.schema
    .createTable('quota_history')
    .addColumn('id', ...autoId(schema))
    .addColumn('at', ...time)
    .addColumn('kind', ...text)
    .addColumn('project_id', ...text)
    .addColumn('subject', ...optionalText)
    .addColumn('amounts', ...json)
    .addColumn('resources', ...text)
    .addColumn('actor', ...optionalText)
    .addColumn('times', ...integer)
    .addColumn('details', ...optionalJson)
    .execute()
  await schema.schema.createIndex('quota_history_project').on('quota_history').columns(['project_id', 'id']).execute()
  await schema.schema.createIndex('quota_history_subject').on('quota_history').column('subject').execute()
}

async function unifiedLimits(schema: Schema): Promise<void> {
  await schema.schema
    .createTable('quota_unified_limit')
    .addColumn('project_id', ...text)
    .addColumn('resource', ...text)
    .addColumn('limit_id', ...text)
    .addColumn('value', ...integer)
    .addPrimaryKeyConstraint('quota_unified_limit_key', ['project_id', 'resource'])
    .execute()
  for (const column of ['declared_limit', 'registered_limit']) {
    await schema.schema
      .alterTable('quota_resource')
      .addColumn(column, ...optionalInteger)
      .execute()
  }
}

/** Cells are derived: those that lack the new numbers are dropped, and made anew when they are next needed. */
async function privateParts(schema: Schema): Promise<void> {
  for (const column of ['is_leaf', 'sheltered']) {
    await schema.schema
      .alterTable('quota_cell')
      .addColumn(column, ...flag)
      .execute()
  }
  await schema.deleteFrom('quota_cell').execute()
  await schema.schema
    .alterTable('quota_claim')
    .addColumn('lineage', ...optionalText)
    .execute()
  await schema.schema
    .createTable('quota_reclaimed')
    .addColumn('lineage', ...id)
    .addColumn('reclaims', ...integer)
    .addColumn('own_only_until', ...integer)
    .execute()
}

async function waiting(schema: Schema): Promise<void> {
  await schema.schema
    .createTable('quota_waiting')
    .addColumn('subject', ...id)
    .addColumn('project_id', ...text)
    .addColumn('amounts', ...json)
    .addColumn('reclaimable', ...text)
    .addColumn('priority', ...integer)
    .addColumn('lineage', ...optionalText)
    .addColumn('since', ...time)
    .addColumn('expires_at', ...optionalTime)
    .addColumn('ttl_ms', ...integer)
    .execute()
  await schema.schema.createIndex('quota_waiting_project').on('quota_waiting').column('project_id').execute()
}

export const migrations: Migration[] = [
  defineMigration({
    id: '0001-quota',
    up: async (schema) => {
      await settings(schema)
      await use(schema)
    },
  }),
  defineMigration({ id: '0002-reclaim', up: reclaim }),
  defineMigration({
    id: '0003-history-and-unified-limits',
    up: async (schema) => {
      await history(schema)
      await unifiedLimits(schema)
    },
  }),
  defineMigration({
    id: '0004-private-parts-and-waiting',
    up: async (schema) => {
      await privateParts(schema)
      await waiting(schema)
    },
  }),
  waitingLines,
  ticketsOfAsks,
  defineMigration({
    id: '0007-limits-that-count-nothing',
    up: async (schema) => {
      await schema.schema
        .alterTable('quota_resource')
        .addColumn('counted', ...flagOn)
        .execute()
    },
  }),
  cheaperClaims,
  forgottenProjects,
  debts,
]
