/** What an explanation adds in words: why what others use is not taken back; and a no where nothing would be. */
import type { Ask } from '#engines/quota/asks.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import type { Explanation } from '#engines/quota/explain.ts'
import type { Executor } from '#platform/db/database.ts'
import { claimsOfRoot } from '../store/claims.ts'

export const notesOf = async (executor: Executor, rootId: string, answer: Explanation): Promise<string[]> => {
  if (comesByItself(answer))
    return ['Nobody would be given notice for it: what is missing comes back when those who use it release it.']
  const { refusal } = answer
  if (!refusal || refusal.heldBy.length === 0) return []
  const { resource } = refusal
  const holders = (await claimsOfRoot(executor, rootId)).filter(({ amounts }) => (amounts[resource] ?? 0) > 0)
  if (holders.some(({ reclaimable }) => reclaimable !== 'never')) return []
  return [
    `What others use of ${resource} is never taken back: only servers are ended for their owner's sake, because ` +
      'others rely on the addresses and rules of what else there is. It comes back when they release it.',
  ]
}

/** The engine waits for what must come back by itself. Who asks gets nothing now, and nobody ends for it. */
const comesByItself = ({ verdict, victims }: Explanation): boolean => verdict === 'reclaims' && victims.length === 0

export const asAnswered = (engine: QuotaEngine, { project, amounts }: Ask, answer: Explanation): Explanation => {
  if (!comesByItself(answer)) return answer
  const { tree } = engine,
    asked = Object.entries(amounts).filter(([, amount]) => amount > 0)
  const vector = {
    resources: asked.map(([name]) => tree.resourceNumber(name)!),
    amounts: asked.map(([, amount]) => amount),
  }
  return { ...answer, verdict: 'refused', refusal: engine.refusalOf(tree.project(project), vector) }
}
