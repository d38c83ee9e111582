/** Deals whole units among claimants by weight: the k-th unit of claimant i costs k/weight_i, cheapest first. */
import { precedence } from './settings.ts'
import { compareRatios, compareText, mulDivFloor } from './amounts.ts'

export interface Share {
  id: string
  /** How much it can take at most. */
  wanted: number
  /** 0 is served after everybody who has a weight. */
  weight: number
  /** 1 is served first. */
  tier: number
}

/**
 * What each share gets of `amount`, in the order given. Whole units only, ties by id. Because a further unit never
 * changes who got the earlier ones, more to deal never gives anybody less.
 */
export const deal = (amount: number, shares: readonly Share[]): number[] => {
  const given = new Array<number>(shares.length).fill(0)
  let left = amount
  for (const group of classesOf(shares)) {
    if (left <= 0) break
    left -= dealClass(left, shares, group, given)
  }
  return given
}

/** Indices of equal precedence, those served first in front. */
const classesOf = (shares: readonly Share[]): number[][] => {
  const classes = new Map<number, number[]>()
  shares.forEach((share, index) => {
    if (share.wanted <= 0) return
    const rank = precedence(share)
    const group = classes.get(rank)
    if (group) group.push(index)
    else classes.set(rank, [index])
  })
  return [...classes.entries()].sort((a, b) => a[0] - b[0]).map(([, group]) => group)
}

const weightOf = (share: Share): number => share.weight || 1

const dealClass = (amount: number, shares: readonly Share[], group: number[], given: number[]): number => {
  const wantedSum = group.reduce((sum, index) => sum + shares[index]!.wanted, 0)
  if (wantedSum <= amount) {
    for (const index of group) given[index] = shares[index]!.wanted
    return wantedSum
  }
  const left = amount - dealBulk(amount, shares, group, given)
  dealRest(left, shares, group, given)
  return amount
}

/**
 * Gives everybody the units that cost at most a/M for the largest whole `a` that fits, M being the largest weight.
 * Raising `a` by one adds at most one unit each, so fewer units than claimants remain for the exact dealing.
 */
const dealBulk = (amount: number, shares: readonly Share[], group: number[], given: number[]): number => {
  const weightMax = Math.max(...group.map((index) => weightOf(shares[index]!)))
  const taken = (a: number, index: number) =>
    Math.min(shares[index]!.wanted, mulDivFloor(a, weightOf(shares[index]!), weightMax))
  const total = (a: number) => group.reduce((sum, index) => sum + taken(a, index), 0)
  let low = 0,
    high = upperBound(amount, total)
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2)
    if (total(middle) <= amount) low = middle
    else high = middle - 1
  }
  for (const index of group) given[index] = taken(low, index)
  return total(low)
}

const upperBound = (amount: number, total: (a: number) => number): number => {
  let high = amount
  while (total(high) <= amount && high < Number.MAX_SAFE_INTEGER / 2) high *= 2
  return high
}

/** After the bulk nobody is due more than one further unit, so the remainder goes to the cheapest next units. */
const dealRest = (left: number, shares: readonly Share[], group: number[], given: number[]): void => {
  const open = group.filter((index) => given[index]! < shares[index]!.wanted)
  open.sort((a, b) => compareNextUnit(shares, given, a, b))
  for (const index of open.slice(0, left)) given[index]!++
}

const compareNextUnit = (shares: readonly Share[], given: number[], index: number, other: number): number => {
  const a = shares[index]!,
    b = shares[other]!
  return compareRatios(given[index]! + 1, weightOf(a), given[other]! + 1, weightOf(b)) || compareText(a.id, b.id)
}
