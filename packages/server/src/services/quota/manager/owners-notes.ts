/** What an explanation adds in words: why what others use is not taken back. */
import type { Explanation } from '#engines/quota/explain.ts'
import type { Executor } from '#platform/db/database.ts'
import { claimsOfRoot } from '../store/claims.ts'

export const notesOf = async (executor: Executor, rootId: string, answer: Explanation): Promise<string[]> => {
  if (answer.verdict === 'waits')
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
