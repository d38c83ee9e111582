/** Import tasks in SQL: what the import controller has to do, and what came of it. */
import type { Executor } from '#platform/db/database.ts'
import type { GlanceTables, Task, TaskRow } from './tables.ts'

const toTask = (row: TaskRow): Task => ({
  id: row.id,
  imageId: row.image_id,
  ownerId: row.owner_id,
  userId: row.user_id,
  requestId: row.request_id,
  method: row.method,
  source: row.source,
  status: row.status as Task['status'],
  message: row.message,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
const db = (executor: Executor) => executor.as<GlanceTables>()

export const taskInsert = async (executor: Executor, task: Task): Promise<void> => {
  await db(executor)
    .insertInto('glance_task')
    .values({
      id: task.id,
      image_id: task.imageId,
      owner_id: task.ownerId,
      user_id: task.userId,
      request_id: task.requestId,
      method: task.method,
      source: task.source,
      status: task.status,
      message: task.message,
      created_at: task.createdAt,
      updated_at: task.updatedAt,
    })
    .execute()
}

export const taskFetch = async (executor: Executor, id: string): Promise<Task | undefined> => {
  const row = await db(executor).selectFrom('glance_task').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toTask(row)
}

export const tasksList = async (
  executor: Executor,
  filter: { ownerId?: string; imageId?: string },
): Promise<Task[]> => {
  let query = db(executor)
    .selectFrom('glance_task')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .limit(1000)
  if (filter.ownerId !== undefined) query = query.where('owner_id', '=', filter.ownerId)
  if (filter.imageId !== undefined) query = query.where('image_id', '=', filter.imageId)
  return (await query.execute()).map(toTask)
}

/** Tasks to run, the oldest first: also those that a dead process had begun, since each step is idempotent. */
export const tasksOpen = async (executor: Executor, limit: number): Promise<Task[]> => {
  const rows = await db(executor)
    .selectFrom('glance_task')
    .selectAll()
    .where('status', 'in', ['pending', 'processing'])
    .orderBy('created_at')
    .limit(limit)
    .execute()
  return rows.map(toTask)
}

export const taskFinish = async (
  executor: Executor,
  id: string,
  status: Task['status'],
  message: string,
  now: number,
): Promise<void> => {
  await db(executor)
    .updateTable('glance_task')
    .set({ status, message, updated_at: now })
    .where('id', '=', id)
    .execute()
}
