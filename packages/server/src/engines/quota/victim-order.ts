/** In which order a project's containers would be taken back: rules of a policy, the first that differs decides. */
import { compareText } from './amounts.ts'
import { amountOf } from './claims.ts'
import type { Claim, ClaimOrder } from './claims.ts'

/**
 * Who goes first. `preferred`: who was offered. `priority`: the lower one. `newest`, `oldest`: by when it started.
 * `largest`, `smallest`: by how much of the contested resource it frees; the largest first takes the fewest.
 */
export const victimRules = ['preferred', 'priority', 'newest', 'oldest', 'largest', 'smallest'] as const
export type VictimRule = (typeof victimRules)[number]
export type VictimOrder = readonly VictimRule[]

export const victimOrderDefault: VictimOrder = ['preferred', 'priority', 'newest']

type Compare = (a: Claim, b: Claim, resource: number) => number

const isOffered = ({ reclaimable }: Claim): number => Number(reclaimable === 'preferred')

const rules: Readonly<Record<VictimRule, Compare>> = {
  preferred: (a, b) => isOffered(b) - isOffered(a),
  priority: (a, b) => a.priority - b.priority,
  newest: (a, b) => b.startedAtMs - a.startedAtMs,
  oldest: (a, b) => a.startedAtMs - b.startedAtMs,
  largest: (a, b, resource) => amountOf(b.vector, resource) - amountOf(a.vector, resource),
  smallest: (a, b, resource) => amountOf(a.vector, resource) - amountOf(b.vector, resource),
}

/** Negative: `a` goes before `b`. Those whom no rule tells apart: the newest, the one that was numbered last, by id. */
export const compareVictims = (order: VictimOrder, a: Claim, b: Claim, resource: number): number => {
  for (const rule of order) {
    const difference = rules[rule](a, b, resource)
    if (difference !== 0) return difference
  }
  return rules.newest(a, b, resource) || b.number - a.number || compareText(a.id, b.id)
}

/** Only sizes make an order differ from resource to resource. */
export const orderFor = (order: VictimOrder, resource: number): ClaimOrder => ({
  key: order.join() + (order.some((rule) => rule === 'largest' || rule === 'smallest') ? ` ${resource}` : ''),
  compare: (a, b) => compareVictims(order, a, b, resource),
})
