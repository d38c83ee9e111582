/** Who may take what from whom: owner's right, share right and the protections; all at the level where the two meet. */
import { compareRatios, minus, positive, UNLIMITED } from './amounts.ts'
import { amountOf } from './claims.ts'
import type { Claim, Vector } from './claims.ts'
import { NO_NODE } from './ledger.ts'
import type { Ledger } from './ledger.ts'
import { precedence } from './settings.ts'
import type { QuotaTree } from './tree.ts'

/**
 * `owner`: within what the claimant's side owns. `share`: less beyond its own than the victim's side. `priority`: a
 * lower one in the claimant's own project.
 */
export type Right = 'owner' | 'share' | 'priority'

/** The claimant, as the rights look at it. */
export interface Claimant {
  leaf: number
  vector: Vector
  priority: number
  /** After being reclaimed itself it may use the owner's right only. */
  ownOnly: boolean
}

/** The two children of the lowest common ancestor. */
export interface Sides {
  claimant: number
  victim: number
}

/** As much of a tree as decides who comes first. */
export interface SharingTree {
  readonly ledger: Ledger
  /** How a node takes part in its parent's sharing. */
  sharing(node: number, resource: number): { weight: number; tier: number }
}

export const rankOf = (tree: SharingTree, node: number, resource: number): number =>
  precedence(tree.sharing(node, resource))

export const isWithinOwn = (ledger: Ledger, { leaf, vector }: Claimant, node: number): boolean =>
  vector.resources.every(
    (resource, index) =>
      ledger.countedWith(leaf, node, resource, vector.amounts[index]!) <= ledger.visible(node, resource),
  )

/**
 * The owner's right at the child of a node where sides meet: the side owns all that is asked for; or it owns what is
 * contested, and the claimant itself all of it, whatever its neighbours have borrowed of the rest.
 */
export const ownsAt = (ledger: Ledger, claimant: Claimant, side: number, contested: number): boolean => {
  if (isWithinOwn(ledger, claimant, side)) return true
  const { leaf, vector } = claimant
  const counted = ledger.countedWith(leaf, side, contested, amountOf(vector, contested))
  return counted <= ledger.visible(side, contested) && isWithinOwn(ledger, claimant, leaf)
}

/**
 * Could the claimant take anything at all from that side by share? Taking makes the other side's excess only smaller.
 */
export const mayShare = (tree: QuotaTree, claimant: Claimant, sides: Sides, resource: number): boolean => {
  if (claimant.ownOnly) return false
  const mine = rankOf(tree, sides.claimant, resource),
    theirs = rankOf(tree, sides.victim, resource)
  if (mine !== theirs) return mine < theirs
  return compareShares(tree, claimant, sides, NOTHING) <= 0
}

const NOTHING: Vector = { resources: [], amounts: [] }

/**
 * Of a side that `mayShare` allows: taking this victim leaves every node on its side at least what it owns, and its
 * side no worse off.
 */
export const mayTakeByShare = (
  tree: QuotaTree,
  claimant: Claimant,
  sides: Sides,
  victim: Claim,
  resource: number,
): boolean => {
  if (!staysAtOwn(tree.ledger, victim, sides.victim, resource)) return false
  const mine = rankOf(tree, sides.claimant, resource),
    theirs = rankOf(tree, sides.victim, resource)
  return mine !== theirs
    ? mine < theirs
    : compareShares(tree, claimant, sides, victim.vector, victim.project.leaf) <= 0
}

const staysAtOwn = (ledger: Ledger, victim: Claim, top: number, resource: number): boolean => {
  const amount = amountOf(victim.vector, resource)
  for (let node = victim.project.leaf; ; node = ledger.parents[node]!) {
    if (ledger.countedWith(victim.project.leaf, node, resource, -amount) < ledger.visible(node, resource))
      return false
    if (node === top) return true
  }
}

/**
 * The claimant's side with the request against the victim's side without the victim: over-own per weight, the dominant
 * one among the resources asked for. A resource that is not asked for plays no part.
 */
const compareShares = (
  tree: QuotaTree,
  claimant: Claimant,
  sides: Sides,
  taken: Vector,
  takenLeaf = NO_NODE,
): number => {
  const { ledger } = tree,
    { resources, amounts } = claimant.vector
  const mine = resources.map((resource, index) => {
    const counted = ledger.countedWith(claimant.leaf, sides.claimant, resource, amounts[index]!)
    return { resource, over: positive(minus(counted, ledger.visible(sides.claimant, resource))) }
  })
  const theirs = resources.map((resource) => {
    const counted =
      takenLeaf === NO_NODE
        ? ledger.counted(sides.victim, resource)
        : ledger.countedWith(takenLeaf, sides.victim, resource, -amountOf(taken, resource))
    return { resource, over: positive(minus(counted, ledger.visible(sides.victim, resource))) }
  })
  const weigh = (node: number) => (excess: Excess) => ({
    ...excess,
    weight: tree.sharing(node, excess.resource).weight || 1,
  })
  return compareDominant(
    tree,
    mine.map(weigh(sides.claimant)),
    theirs.map(weigh(sides.victim)),
    ledger.parents[sides.claimant]!,
  )
}

interface Excess {
  resource: number
  over: number
}
interface WeighedExcess extends Excess {
  weight: number
}

const compareDominant = (
  tree: QuotaTree,
  mine: WeighedExcess[],
  theirs: WeighedExcess[],
  meeting: number,
): number => {
  if (mine.length === 1) return compareRatios(mine[0]!.over, mine[0]!.weight, theirs[0]!.over, theirs[0]!.weight)
  const capacity = (resource: number) => reachable(tree.ledger, meeting, resource)
  return compareFractions(dominant(mine, capacity), dominant(theirs, capacity))
}

interface Fraction {
  top: bigint
  bottom: bigint
}

const dominant = (excesses: readonly WeighedExcess[], capacity: (resource: number) => number): Fraction => {
  let best: Fraction = { top: 0n, bottom: 1n }
  for (const { resource, over, weight } of excesses) {
    const cap = capacity(resource)
    if (cap === UNLIMITED) continue
    const share = { top: BigInt(over), bottom: BigInt(Math.max(1, cap)) * BigInt(weight) }
    if (compareFractions(share, best) > 0) best = share
  }
  return best
}

const compareFractions = (a: Fraction, b: Fraction): number => {
  const left = a.top * b.bottom,
    right = b.top * a.bottom
  return left < right ? -1 : left > right ? 1 : 0
}

/**
 * All the capacity that could ever be counted at a node: its own and, up to its borrow limit, what its ancestors reach.
 */
export const reachable = (ledger: Ledger, node: number, resource: number): number => {
  const parent = ledger.parents[node]!,
    visible = ledger.visible(node, resource)
  if (parent === NO_NODE) return visible
  const above = minus(reachable(ledger, parent, resource), ledger.lendable(node, resource), UNLIMITED)
  return visible + Math.min(ledger.borrow(node, resource), positive(above))
}
