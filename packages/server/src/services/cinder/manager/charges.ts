/** What volumes and snapshots take of quota, in the transaction of the row it is for, and what they give back. */
import type { Tx } from '#platform/db/database.ts'
import type { CinderParts } from './parts.ts'
import type { Charge, Volume } from './model.ts'
import { inQuotaWords } from './quota-words.ts'

type Parts = Pick<CinderParts, 'facades'>

export const take = async (
  { facades }: Parts,
  tx: Tx,
  { projectId, ...charge }: Charge & { projectId: string },
): Promise<Charge> => {
  const { subject, amounts } = charge
  await inQuotaWords(amounts, () => facades.quota.reserve(tx, { projectId, subject, deltas: amounts, started: true }))
  return charge
}

export const giveBack = async ({ facades }: Parts, tx: Tx, projectId: string, subjects: string[]): Promise<void> => {
  for (const subject of subjects) await facades.quota.release(tx, { projectId, subject })
}

/** Gives back what a volume holds under these names, and returns what it goes on holding. */
export const giveBackNamed = async (
  { facades }: Parts,
  tx: Tx,
  { projectId, charges }: Volume,
  names: readonly string[],
): Promise<Charge[]> => {
  const left: Charge[] = []
  for (const { subject, amounts } of charges) {
    const part = (isNamed: boolean) =>
      Object.fromEntries(Object.entries(amounts).filter(([name]) => names.includes(name) === isNamed))
    const deltas = part(true)
    if (Object.keys(deltas).length > 0) await facades.quota.release(tx, { projectId, subject, deltas })
    left.push({ subject, amounts: part(false) })
  }
  return left.filter(({ amounts }) => Object.keys(amounts).length > 0)
}
