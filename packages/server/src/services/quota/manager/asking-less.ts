/** Who waits may ask for less: it keeps its place in line, and has it as soon as the smaller request fits. */
import type { Tx } from '#platform/db/database.ts'
import type { Amounts } from '../facade.ts'
import { projectFetch } from '../store/projects.ts'
import { waitingFetch } from '../store/waiting.ts'
import { waitingAmounts } from '../store/waiting-amounts.ts'
import type { Waiting } from './waiting.ts'

/** Does nothing for a subject that does not wait; one that asks for nothing any more leaves the line. */
export async function askLess(
  tx: Tx,
  { subject, deltas }: { subject: string; deltas: Amounts },
  line: Pick<Waiting, 'leave' | 'serve'>,
): Promise<void> {
  const asked = await waitingFetch(tx, subject)
  if (!asked) return
  const left = Object.entries(asked.amounts).map(([name, amount]) => [name, amount - (deltas[name] ?? 0)] as const)
  const amounts = Object.fromEntries(left.filter(([, amount]) => amount > 0))
  if (Object.keys(amounts).length === 0) return void (await line.leave(tx, subject))
  await waitingAmounts(tx, subject, { projectId: asked.projectId, amounts })
  const project = await projectFetch(tx, asked.projectId)
  if (project) await line.serve(tx, project.rootId)
}
