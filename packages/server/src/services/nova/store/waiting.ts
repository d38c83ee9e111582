/** SQL over servers that wait for quota: one row each, with what its container will be made from, until it is made. */
import type { Kysely } from 'kysely'
import { flag, id, integer, json, optionalTime, text, time } from '#platform/db/columns.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { defineMigration } from '#platform/db/migrate.ts'
import type { BuildPlan } from '../manager/model.ts'

export interface WaitingServer {
  serverId: string
  /** What stands in quota's line: the server's own subject, or that of the batch it was asked for with. */
  subject: string
  /** The create's action, which says that it waits. */
  actionId: number
  plan: BuildPlan
  /** Quota's words when it was asked. */
  reason: string
  /** Whether the server got a tag for it. */
  tagged: boolean
  since: number
  /** Null: it waits as long as it takes. */
  expiresAt: number | null
}

interface WaitingRow {
  server_id: string
  subject: string
  action_id: number
  plan: string
  reason: string
  tagged: number
  since: number
  expires_at: number | null
}

const table = (executor: Executor) => executor.as<{ nova_waiting: WaitingRow }>()

export const waitingMigration = defineMigration({
  id: '0007-waiting',
  up: async ({ schema }: Kysely<any>) => {
    await schema
      .createTable('nova_waiting')
      .addColumn('server_id', ...id)
      .addColumn('subject', ...text)
      .addColumn('action_id', ...integer)
      .addColumn('plan', ...json)
      .addColumn('reason', ...text)
      .addColumn('tagged', ...flag)
      .addColumn('since', ...time)
      .addColumn('expires_at', ...optionalTime)
      .execute()
    await schema.createIndex('nova_waiting_subject').on('nova_waiting').column('subject').execute()
  },
})

const waitingOf = (row: WaitingRow): WaitingServer => ({
  serverId: row.server_id,
  subject: row.subject,
  actionId: row.action_id,
  plan: fromJson(row.plan),
  reason: row.reason,
  tagged: row.tagged > 0,
  since: row.since,
  expiresAt: row.expires_at,
})

export const waitingInsert = async (tx: Tx, waiting: WaitingServer): Promise<void> => {
  await table(tx)
    .insertInto('nova_waiting')
    .values({
      server_id: waiting.serverId,
      subject: waiting.subject,
      action_id: waiting.actionId,
      plan: toJson(waiting.plan),
      reason: waiting.reason,
      tagged: waiting.tagged ? 1 : 0,
      since: waiting.since,
      expires_at: waiting.expiresAt,
    })
    .execute()
}

export const waitingFetch = async (executor: Executor, serverId: string): Promise<WaitingServer | undefined> => {
  const row = await table(executor)
    .selectFrom('nova_waiting')
    .selectAll()
    .where('server_id', '=', serverId)
    .executeTakeFirst()
  return row && waitingOf(row)
}

/** The servers of one ask, in the order in which they were asked for. */
export const waitingOfSubject = async (executor: Executor, subject: string): Promise<WaitingServer[]> => {
  const rows = await table(executor)
    .selectFrom('nova_waiting')
    .selectAll()
    .where('subject', '=', subject)
    .orderBy('action_id')
    .execute()
  return rows.map(waitingOf)
}

/** How many servers of a project wait. */
export const waitingCount = async (executor: Executor, projectId: string): Promise<number> => {
  const { count } = await executor
    .as<{ nova_waiting: WaitingRow; nova_server: { id: string; project_id: string } }>()
    .selectFrom('nova_waiting')
    .innerJoin('nova_server', 'nova_server.id', 'nova_waiting.server_id')
    .where('nova_server.project_id', '=', projectId)
    .select((row) => row.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Those of these subjects that servers wait for. */
export const waitingAmong = async (executor: Executor, subjects: readonly string[]): Promise<string[]> => {
  if (subjects.length === 0) return []
  const rows = await table(executor)
    .selectFrom('nova_waiting')
    .select('subject')
    .distinct()
    .where('subject', 'in', subjects)
    .execute()
  return rows.map(({ subject }) => subject)
}

/** Subjects that servers wait for, each once, in their order after one of them. */
export const waitingSubjects = async (executor: Executor, after: string, limit: number): Promise<string[]> => {
  const rows = await table(executor)
    .selectFrom('nova_waiting')
    .select('subject')
    .distinct()
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(limit)
    .execute()
  return rows.map(({ subject }) => subject)
}

export const waitingUpdate = async (
  tx: Tx,
  serverId: string,
  { subject, expiresAt }: Partial<Pick<WaitingServer, 'subject' | 'expiresAt'>>,
): Promise<void> => {
  const change = {
    ...(subject !== undefined && { subject }),
    ...(expiresAt !== undefined && { expires_at: expiresAt }),
  }
  await table(tx).updateTable('nova_waiting').set(change).where('server_id', '=', serverId).execute()
}

export const waitingDelete = async (tx: Tx, serverId: string): Promise<void> => {
  await table(tx).deleteFrom('nova_waiting').where('server_id', '=', serverId).execute()
}
