/** The fair order of those who wait: a tournament from the root, decided at each level between its children. */
import { compareRatios, compareText } from './amounts.ts'
import { NO_NODE } from './ledger.ts'
import { isWithinOwn, rankOf } from './rights.ts'
import type { SharingTree } from './rights.ts'
import type { Vector } from './claims.ts'

export interface Waiter {
  id: string
  leaf: number
  vector: Vector
  priority: number
  sinceMs: number
}

/**
 * Who is served next. Requests within their side's own first, then tier, smallest excess per weight, priority, age, id.
 */
export const nextInLine = <W extends Waiter>(tree: SharingTree, waiters: readonly W[]): W | undefined => {
  let entrants = waiters.map((waiter) => ({ waiter, path: pathFromRoot(tree, waiter.leaf) }))
  const depth = Math.max(0, ...entrants.map(({ path }) => path.length))
  // From the deepest level up, keep the winner below each node; what is left at level 0 are the winners of the roots.
  for (let level = depth - 1; level >= 0; level--) entrants = winners(tree, entrants, level)
  return entrants.map(({ waiter }) => waiter).sort(compareEqualRights)[0]
}

interface Entrant<W> {
  waiter: W
  path: number[]
}

const pathFromRoot = (tree: SharingTree, leaf: number): number[] => {
  const path: number[] = []
  for (let node = leaf; node !== NO_NODE; node = tree.ledger.parents[node]!) path.unshift(node)
  return path
}

const winners = <W extends Waiter>(tree: SharingTree, entrants: readonly Entrant<W>[], level: number): Entrant<W>[] => {
  const best = new Map<number, Entrant<W>>()
  const others: Entrant<W>[] = []
  for (const entrant of entrants) {
    const node = entrant.path[level]
    if (node === undefined) others.push(entrant)
    else {
      const champion = best.get(node)
      if (!champion || beats(tree, entrant, champion, level + 1)) best.set(node, entrant)
    }
  }
  return [...others, ...best.values()]
}

const beats = <W extends Waiter>(tree: SharingTree, a: Entrant<W>, b: Entrant<W>, level: number): boolean => {
  const left = a.path[level],
    right = b.path[level]
  const order =
    left === undefined || right === undefined || left === right
      ? 0
      : compareSides(tree, a.waiter, left, b.waiter, right)
  return (order || compareEqualRights(a.waiter, b.waiter)) < 0
}

const compareSides = (tree: SharingTree, a: Waiter, left: number, b: Waiter, right: number): number => {
  const mine = isWithinOwn(tree.ledger, { ...a, ownOnly: false }, left)
  const theirs = isWithinOwn(tree.ledger, { ...b, ownOnly: false }, right)
  if (mine !== theirs) return mine ? -1 : 1
  const first = standing(tree, a, left),
    second = standing(tree, b, right)
  return first.rank - second.rank || compareRatios(first.over, first.weight, second.over, second.weight)
}

/** The resource of which the side would use most beyond its own, per weight. */
const standing = (tree: SharingTree, { leaf, vector }: Waiter, node: number) => {
  const { ledger } = tree
  const each = vector.resources.map((resource, index) => ({
    rank: rankOf(tree, node, resource),
    weight: tree.sharing(node, resource).weight || 1,
    over: Math.max(
      0,
      ledger.countedWith(leaf, node, resource, vector.amounts[index]!) - ledger.visible(node, resource),
    ),
  }))
  return each.reduce((worst, one) =>
    compareRatios(one.over, one.weight, worst.over, worst.weight) > 0 ? one : worst,
  )
}

/** Between those of one project. */
export const compareEqualRights = (a: Waiter, b: Waiter): number =>
  b.priority - a.priority || a.sinceMs - b.sinceMs || compareText(a.id, b.id)
