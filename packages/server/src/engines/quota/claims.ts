/** What is held, by whom: every claim, and per project the order in which its containers would be taken back. */
import type { Project } from './tree.ts'

/** Amounts of the resources that are asked for, side by side. No zeros, each resource once. */
export interface Vector {
  resources: number[]
  amounts: number[]
}

export type ClaimState = 'reserved' | 'committed' | 'reclaiming'

export type Reclaimable = 'never' | 'yes' | 'preferred'

export interface Claim {
  readonly id: string
  readonly project: Project
  vector: Vector
  state: ClaimState
  readonly reclaimable: Reclaimable
  readonly priority: number
  readonly startedAtMs: number
  /** Counts up with every claim: newer claims have larger numbers even at one instant. */
  readonly number: number
  /** Names the container through its evictions and returns. */
  readonly lineage: string
  readonly graceMs: number
  /** When an uncommitted reservation is given back. */
  expiresAtMs: number
  /** When a reclaimed container is stopped by force; for which ticket. */
  reclaim?: { deadlineMs: number; ticket: string; noticeAtMs: number }
}

export const amountOf = (vector: Vector, resource: number): number => {
  const index = vector.resources.indexOf(resource)
  return index < 0 ? 0 : vector.amounts[index]!
}

/** `key` tells it from other orders. */
export interface ClaimOrder {
  key: string
  compare(a: Claim, b: Claim): number
}

const NONE: readonly Claim[] = []

interface Shelf {
  claims: Set<Claim>
  ordered: { key: string; claims: Claim[] } | undefined
}

export class ClaimBook {
  readonly #claims = new Map<string, Claim>()
  /** Only claims that may be taken back, by project; `ordered` is made when it is first needed. */
  readonly #shelves = new Map<Project, Shelf>()

  get size(): number {
    return this.#claims.size
  }
  find(id: string): Claim | undefined {
    return this.#claims.get(id)
  }
  all(): Iterable<Claim> {
    return this.#claims.values()
  }

  add(claim: Claim): void {
    this.#claims.set(claim.id, claim)
    if (claim.reclaimable === 'never') return
    const shelf = this.#shelves.get(claim.project)
    if (!shelf) this.#shelves.set(claim.project, { claims: new Set([claim]), ordered: undefined })
    else {
      shelf.claims.add(claim)
      shelf.ordered = undefined
    }
  }

  remove(claim: Claim): void {
    this.#claims.delete(claim.id)
    const shelf = this.#shelves.get(claim.project)
    if (!shelf?.claims.delete(claim)) return
    if (shelf.claims.size === 0) this.#shelves.delete(claim.project)
    else if (shelf.ordered) shelf.ordered.claims = shelf.ordered.claims.filter((other) => other !== claim)
  }

  /** The project's claims that may be taken back, in an order, first victim first. */
  victimsOf(project: Project, { key, compare }: ClaimOrder): readonly Claim[] {
    const shelf = this.#shelves.get(project)
    if (!shelf) return NONE
    if (shelf.ordered?.key !== key) shelf.ordered = { key, claims: [...shelf.claims].sort(compare) }
    return shelf.ordered.claims
  }
}
