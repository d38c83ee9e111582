/** A request that waits asks for other amounts: it stands in the line of those, with its age. */
import type { Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import type { QuotaTables } from './tables.ts'
import { lineOf, sorted } from './waiting.ts'
import type { StoredWaiting } from './waiting.ts'

export async function waitingAmounts(
  tx: Tx,
  subject: string,
  asked: Pick<StoredWaiting, 'projectId' | 'amounts'>,
): Promise<void> {
  await tx
    .as<QuotaTables>()
    .updateTable('quota_waiting')
    .set({ amounts: toJson(sorted(asked.amounts)), line: lineOf(asked) })
    .where('subject', '=', subject)
    .execute()
}
