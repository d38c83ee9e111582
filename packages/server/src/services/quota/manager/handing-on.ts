/** What one subject holds becomes others': asked for as one, all or nothing, and then each one's own. */
import type { Tx } from '#platform/db/database.ts'
import type { Amounts, ReserveRequest } from '../facade.ts'
import { claimDelete, claimHold, claimInsert, claimShrink } from '../store/claims.ts'

export type Heir = Pick<ReserveRequest, 'subject' | 'deltas' | 'lineage'>

/**
 * Claims change hands and no number does, so that nobody in line is served between. A notice goes on with what it was
 * given for. True: something is left, to be given back.
 */
export async function handOn(tx: Tx, subject: string, heirs: readonly Heir[]): Promise<boolean> {
  const claim = await claimHold(tx, subject)
  if (!claim) return false
  const left = { ...claim.amounts }
  for (const { deltas } of heirs) subtract(left, deltas, subject)
  const rest = Object.fromEntries(Object.entries(left).filter(([, amount]) => amount > 0))
  const isLeft = Object.keys(rest).length > 0
  if (isLeft) await claimShrink(tx, subject, rest)
  else await claimDelete(tx, subject)
  for (const { subject: heir, deltas, lineage } of heirs) {
    const amounts = Object.fromEntries(Object.entries(deltas).filter(([, amount]) => amount > 0))
    const isNew = await claimInsert(tx, { ...claim, subject: heir, amounts, lineage: lineage ?? null })
    if (!isNew) throw new Error(`${heir} has a claim already: ${subject} cannot hand on to it`)
  }
  return isLeft
}

const subtract = (left: Record<string, number>, deltas: Amounts, subject: string): void => {
  for (const [name, amount] of Object.entries(deltas)) {
    const before = left[name] ?? 0
    if (amount > before) throw new RangeError(`${subject} holds ${before} of ${name} and cannot hand on ${amount}`)
    left[name] = before - amount
  }
}
