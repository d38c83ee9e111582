/** Amounts as people ask for them, read once. */
import { isAmount, UNLIMITED } from '#engines/quota/amounts.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Amounts } from '../facade.ts'

/** Without the zeros; throws `badRequest` for what is no amount. */
export const positiveAmounts = (amounts: Amounts): Record<string, number> => {
  const entries = Object.entries(amounts).filter(([, amount]) => amount !== 0)
  for (const [name, amount] of entries) {
    if (isAmount(amount) && amount !== UNLIMITED) continue
    throw badRequest(`The amount of ${name} must be a whole number of 0 or more.`, {
      field: name,
      reason: 'BAD_AMOUNT',
    })
  }
  return Object.fromEntries(entries)
}

/** What is left of `whole`, without what nothing is left of. */
export const less = (whole: Amounts, part: Amounts): Record<string, number> =>
  positive(Object.entries(whole).map(([name, amount]) => [name, amount - (part[name] ?? 0)]))

/** So much of `wanted` as there is in `whole`. */
export const within = (whole: Amounts, wanted: Amounts): Record<string, number> =>
  positive(Object.entries(whole).map(([name, amount]) => [name, Math.min(amount, wanted[name] ?? 0)]))

/** Of all of them together. */
export const totalOf = (claims: readonly { amounts: Amounts }[]): Record<string, number> => {
  const total: Record<string, number> = {}
  for (const { amounts } of claims) {
    for (const [name, amount] of Object.entries(amounts)) total[name] = (total[name] ?? 0) + amount
  }
  return total
}

const positive = (entries: readonly [string, number][]): Record<string, number> =>
  Object.fromEntries(entries.filter(([, amount]) => amount > 0))
