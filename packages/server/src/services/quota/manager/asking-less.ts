/** Who waits may ask for less: it keeps its place in line, and has it as soon as the smaller request fits. */
import type { Tx } from '#platform/db/database.ts'
import type { Amounts } from '../facade.ts'
import { projectFetch } from '../store/projects.ts'
import { lineLock } from '../store/tree-locks.ts'
import { waitingFetch } from '../store/waiting.ts'
import { waitingAmounts } from '../store/waiting-amounts.ts'
import type { Reclaim } from './reclaim.ts'
import type { Waiting } from './waiting.ts'

interface Beside {
  readonly reclaim: Pick<Reclaim, 'askLess'>
  readonly waitingLine: Pick<Waiting, 'leave' | 'serve'>
}

/**
 * One that asks for nothing any more leaves the line. False: it does not wait, or was granted while the line was waited
 * for, and nothing has been done.
 */
export async function askLess(
  tx: Tx,
  { subject, deltas }: { subject: string; deltas: Amounts },
  { reclaim, waitingLine }: Beside,
): Promise<boolean> {
  const seen = await waitingFetch(tx, subject)
  if (!seen) return false
  const { rootId = seen.projectId } = (await projectFetch(tx, seen.projectId)) ?? {}
  await lineLock(tx, rootId, [seen.projectId])
  const asked = await waitingFetch(tx, subject)
  if (!asked) return false
  const left = Object.entries(asked.amounts).map(([name, amount]) => [name, amount - (deltas[name] ?? 0)] as const)
  const amounts = Object.fromEntries(left.filter(([, amount]) => amount > 0))
  if (Object.keys(amounts).length === 0) return waitingLine.leave(tx, subject)
  await waitingAmounts(tx, subject, { projectId: asked.projectId, amounts })
  await reclaim.askLess(tx, { ...asked, amounts })
  await waitingLine.serve(tx, rootId)
  return true
}
