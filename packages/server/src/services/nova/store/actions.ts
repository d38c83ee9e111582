/** SQL over instance actions: what was ordered, by whom, and how it ended. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { InstanceAction } from '../manager/model.ts'
import type { ActionRow, NovaTables } from './tables.ts'
import type { Selectable } from 'kysely'

const actionOf = (row: Selectable<ActionRow>): InstanceAction => ({
  id: row.id,
  serverId: row.server_id,
  action: row.action,
  event: row.event,
  requestId: row.request_id,
  userId: row.user_id,
  projectId: row.project_id,
  generation: row.generation,
  host: row.host,
  message: row.message,
  result: row.result,
  details: row.details,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  updatedAt: row.updated_at,
})

const actions = (executor: Executor) => executor.as<NovaTables>().selectFrom('nova_action')

export const actionInsert = async (tx: Tx, action: Omit<InstanceAction, 'id' | 'updatedAt'>): Promise<number> => {
  const row = await tx.as<NovaTables>().insertInto('nova_action').values({
    server_id: action.serverId, action: action.action, event: action.event, request_id: action.requestId,
    user_id: action.userId, project_id: action.projectId, generation: action.generation, host: action.host,
    message: action.message, result: action.result, details: action.details, started_at: action.startedAt,
    finished_at: action.finishedAt, updated_at: action.finishedAt ?? action.startedAt,
  }).returning('id').executeTakeFirstOrThrow()
  return row.id
}

/** What waited begins: the workload's generation will end it. */
export const actionStart = async (tx: Tx, id: number, generation: number): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_action').set({ generation, message: null }).where('id', '=', id).execute()
}

/** What its owner reads of an action that another than they gave. */
export const actionTell = async (tx: Tx, id: number, message: string): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_action').set({ message }).where('id', '=', id).execute()
}

export interface ActionEnding { result: 'Success' | 'Error'; at: number; host: string | null; details: string | null }

const endingColumns = ({ result, at, host, details }: ActionEnding) => ({
  result, finished_at: at, updated_at: at, host, details, ...(result === 'Error' && { message: 'Error' }),
})

/** Ends every unfinished action whose order the workload has carried out. */
export const actionsFinish = async (
  tx: Tx, serverId: string, doneGeneration: number, ending: ActionEnding,
): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_action').set(endingColumns(ending))
    .where('server_id', '=', serverId).where('finished_at', 'is', null).where(
      'generation', '<=', doneGeneration,
    ).execute()
}

export const actionFinish = async (tx: Tx, id: number, ending: ActionEnding): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_action').set(endingColumns(ending))
    .where('id', '=', id).where('finished_at', 'is', null).execute()
}

export interface ActionFilter { changedSince?: number; changedBefore?: number; limit?: number; after?: InstanceAction }

/** Newest first. */
export const actionsList = async (
  executor: Executor, serverId: string, filter: ActionFilter,
): Promise<InstanceAction[]> => {
  let query = actions(executor).selectAll().where('server_id', '=', serverId).orderBy('id', 'desc')
  if (filter.changedSince !== undefined) query = query.where('updated_at', '>=', filter.changedSince)
  if (filter.changedBefore !== undefined) query = query.where('updated_at', '<=', filter.changedBefore)
  if (filter.after) query = query.where('id', '<', filter.after.id)
  if (filter.limit !== undefined) query = query.limit(filter.limit)
  return (await query.execute()).map(actionOf)
}

export const actionFetch = async (executor: Executor, serverId: string, requestId: string): Promise<InstanceAction
  | undefined> => {
  const row = await actions(executor).selectAll().where('server_id', '=', serverId).where('request_id', '=', requestId)
    .orderBy('id').executeTakeFirst()
  return row && actionOf(row)
}
