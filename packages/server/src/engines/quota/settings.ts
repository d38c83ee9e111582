/** What an operator sets: how a project holds a resource, and how its loans come back. The four modes are presets. */
import { isAmount, UNLIMITED } from './amounts.ts'
import { victimOrderDefault } from './victim-order.ts'
import type { VictimOrder } from './victim-order.ts'

export interface Holding {
  /** Granted by the parent, guaranteed. OpenStack's hard limit in exclusive mode. */
  own: number
  /** The part of own that is given to nobody and shared by weight among the children and the project itself. */
  pool: number
  /** How much of the unused capacity others may use. */
  lend: number
  /** How much the whole subtree may use beyond own. */
  borrow: number
  /** Hard cap on the subtree's use; null: own + borrow. */
  ceiling: number | null
  /** Share in the parent's pool and lent capacity; 0: after everybody else. */
  weight: number
  /** 1 (served first) to 10. */
  tier: number
}

/** Kilo's −1 below a root: it owns nothing, and what it uses is of what those above have not given away. */
export const drawsOnParent = ({ own, borrow }: Holding): boolean => own === 0 && borrow === UNLIMITED

/** How a project with children treats its own containers, next to those children. Its own part is what is left. */
export type SelfHolding = Omit<Holding, 'own' | 'pool'>

export const exclusive: Readonly<Holding> = { own: 0, pool: 0, lend: 0, borrow: 0, ceiling: null, weight: 1, tier: 1 }
export const selfDefault: Readonly<SelfHolding> = {
  lend: UNLIMITED,
  borrow: UNLIMITED,
  ceiling: null,
  weight: 1,
  tier: 1,
}

/**
 * `never`, `natural`: nobody is evicted, and with `natural` the owner is first in line. `aggressive` knows no grace.
 */
export type ReclaimMode = 'never' | 'natural' | 'onDemand' | 'aggressive'

/** Each absent field is the parent's. */
export interface Policy {
  /** How this project gets back what it lent, and its share. */
  reclaim: ReclaimMode
  /** How long its containers keep running after a notice. */
  graceMs: number
  /** The longest grace that this project grants those who borrow from it. */
  graceMaxMs: number
  /** How long its containers run before a share reclaim may take them. */
  minRuntimeMs: number
  /**
   * Whether this project, as an owner, waits for its borrowers' minimum run time too. Then its guarantee has that
   * delay.
   */
  waitsForMinRuntime: boolean
  /** So often reclaimed, a container of this project claims only what the project owns from then on. */
  reclaimsMax: number
  /** Which of its containers, or of the projects below it, are taken back first. */
  readonly victimOrder: VictimOrder
}

export const policyDefault: Readonly<Policy> = {
  reclaim: 'onDemand',
  graceMs: 30_000,
  graceMaxMs: 120_000,
  minRuntimeMs: 0,
  waitsForMinRuntime: false,
  reclaimsMax: 5,
  victimOrder: victimOrderDefault,
}

/** Who is served before whom: by tier, and whoever has weight 0 after everybody who has a weight. */
export const precedence = ({ weight, tier }: { weight: number; tier: number }): number =>
  weight === 0 ? TIER_MAX + tier : tier

const TIER_MAX = 10

export const capOf = (holding: { own: number; borrow: number; ceiling: number | null }): number =>
  holding.ceiling ?? holding.own + holding.borrow

/** The name of the first field that is no whole amount in its range, if any. */
export const wrongField = (holding: Partial<Holding>): keyof Holding | undefined => {
  for (const field of ['own', 'pool', 'lend', 'borrow'] as const) {
    if (holding[field] !== undefined && !isAmount(holding[field])) return field
  }
  if (holding.ceiling != null && !isAmount(holding.ceiling)) return 'ceiling'
  if (!isBetween(holding.weight ?? 0, 0, WEIGHT_MAX)) return 'weight'
  if (!isBetween(holding.tier ?? 1, 1, TIER_MAX)) return 'tier'
  return undefined
}

const WEIGHT_MAX = 1_000_000

const isBetween = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max
