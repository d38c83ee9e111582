/** Members (projects an image is shared with) in SQL. */
import type { Executor } from '#platform/db/database.ts'
import { isUniqueViolation } from '#platform/db/db-errors.ts'
import { conflict } from '#platform/errors/errors.ts'
import type { GlanceTables, Member, MemberRow, MemberStatus } from './tables.ts'

const toMember = (row: MemberRow): Member => ({
  imageId: row.image_id,
  memberId: row.member_id,
  status: row.status as MemberStatus,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
const db = (executor: Executor) => executor.as<GlanceTables>()

export const memberInsert = async (executor: Executor, member: Member): Promise<void> => {
  try {
    await db(executor)
      .insertInto('glance_member')
      .values({
        image_id: member.imageId,
        member_id: member.memberId,
        status: member.status,
        created_at: member.createdAt,
        updated_at: member.updatedAt,
      })
      .execute()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw conflict(
      `The target member ${member.memberId} is already associated with image ${member.imageId}.`,
      {},
      error,
    )
  }
}

export const memberFetch = async (
  executor: Executor,
  imageId: string,
  memberId: string,
): Promise<Member | undefined> => {
  const row = await db(executor)
    .selectFrom('glance_member')
    .selectAll()
    .where('image_id', '=', imageId)
    .where('member_id', '=', memberId)
    .executeTakeFirst()
  return row && toMember(row)
}

export const membersList = async (executor: Executor, imageId: string): Promise<Member[]> =>
  (
    await db(executor)
      .selectFrom('glance_member')
      .selectAll()
      .where('image_id', '=', imageId)
      .orderBy('member_id')
      .execute()
  ).map(toMember)

export const memberSetStatus = async (executor: Executor, member: Member): Promise<void> => {
  await db(executor)
    .updateTable('glance_member')
    .set({ status: member.status, updated_at: member.updatedAt })
    .where('image_id', '=', member.imageId)
    .where('member_id', '=', member.memberId)
    .execute()
}

export const memberDelete = async (executor: Executor, imageId: string, memberId: string): Promise<boolean> => {
  const result = await db(executor)
    .deleteFrom('glance_member')
    .where('image_id', '=', imageId)
    .where('member_id', '=', memberId)
    .executeTakeFirst()
  return Number(result.numDeletedRows) > 0
}
