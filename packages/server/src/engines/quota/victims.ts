/** Chooses whom to take capacity back from: fewest, only useful, in an order that anybody can check. */
import { amountOf } from './claims.ts'
import type { Claim } from './claims.ts'
import { NO_NODE } from './ledger.ts'
import type { Block } from './ledger.ts'
import { mayShare, mayTakeByShare, ownsAt } from './rights.ts'
import type { Claimant, Right, Sides } from './rights.ts'
import type { Standings } from './standings.ts'
import type { QuotaTree } from './tree.ts'

export interface Victim {
  claim: Claim
  right: Right
}

/** One that is chosen, and where its side and the claimant's meet; of a priority they are one. */
interface Chosen extends Victim {
  sides?: Sides
  resource: number
}

/** Everything a choice looks at. The ledger is changed while choosing and is as before afterwards. */
export interface Scene {
  tree: QuotaTree
  standings: Standings
  /** Where a project's claims stand under the minimum run time of the victim's side. */
  isProtected(claim: Claim, victimSide: number): boolean
}

/** The victims that make the request fit, or nothing when no set of permitted victims does. */
export const chooseVictims = (scene: Scene, claimant: Claimant): Victim[] | undefined => {
  return new Choice(scene, claimant).make((choice) => choice.run())
}

/** A node at which more is used than may be. */
export interface Debt {
  node: number
  resource: number
}

/** Whom to take from until nothing is owed any more, or nobody is left who could pay; `leaf`: of who is in debt. */
export const choosePayers = (scene: Scene, leaf: number, debts: readonly Debt[]): Victim[] => {
  const claimant = { leaf, vector: { resources: [], amounts: [] }, priority: 0, ownOnly: true }
  return new Choice(scene, claimant).make((choice) => choice.settle(debts))
}

class Choice {
  readonly #scene: Scene
  readonly #claimant: Claimant
  /** From the leaf up. */
  readonly #path = new Set<number>()
  readonly #taken = new Map<Claim, Chosen>()

  constructor(scene: Scene, claimant: Claimant) {
    this.#scene = scene
    this.#claimant = claimant
    for (let node = claimant.leaf; node !== NO_NODE; node = scene.tree.ledger.parents[node]!) this.#path.add(node)
  }

  /** Whatever was counted while choosing is taken back. */
  make<T>(choose: (choice: Choice) => T): T {
    const { leaf, vector } = this.#claimant
    return this.#scene.standings.during({ leaf, vector, path: this.#path, taken: this.#taken }, () => {
      try {
        return choose(this)
      } finally {
        this.#undo()
      }
    })
  }

  run(): Victim[] | undefined {
    for (let block = this.#highestBlock(); block; block = this.#highestBlock()) {
      const victim = this.#pickBelow(block.node, block.resource)
      if (!victim) return undefined
      this.#take(victim)
    }
    this.#putBack((victim) => this.#highestBlock() !== undefined || !this.#permitsAllBut(victim))
    return this.#chosen()
  }

  /** As an owner takes: from those beyond their own, worst first. Who pays for what stays owed is not put back. */
  settle(debts: readonly Debt[]): Victim[] {
    const isOwed = ({ node, resource }: Debt) => this.#scene.tree.ledger.debt(node, resource) > 0
    for (const debt of debts) {
      while (isOwed(debt)) {
        const payer = this.#pickFrom(debt.node, { claimant: debt.node, victim: debt.node }, debt.resource, true)
        if (!payer) break
        this.#take(payer)
      }
    }
    const owed = debts.filter(isOwed),
      settled = debts.filter((debt) => !owed.includes(debt))
    const pays = (claim: Claim) => owed.some(({ resource }) => amountOf(claim.vector, resource) > 0)
    this.#putBack(({ claim }) => pays(claim) || settled.some(isOwed))
    return this.#chosen()
  }

  #take(victim: Chosen): void {
    this.#count(victim.claim, -1)
    this.#taken.set(victim.claim, victim)
  }

  #undo(): void {
    for (const claim of this.#taken.keys()) this.#count(claim, 1)
    this.#taken.clear()
  }

  #chosen(): Victim[] {
    return [...this.#taken.values()].map(({ claim, right }) => ({ claim, right }))
  }

  /** Later picks may have made earlier ones unnecessary, and whoever is spared may have been the reason for others. */
  #putBack(isNeeded: (victim: Chosen) => boolean): void {
    let spared: boolean
    do {
      spared = false
      for (const victim of [...this.#taken.values()].reverse()) spared = this.#spare(victim, isNeeded) || spared
    } while (spared)
  }

  #spare(victim: Chosen, isNeeded: (victim: Chosen) => boolean): boolean {
    this.#count(victim.claim, 1)
    const stays = !isNeeded(victim)
    if (stays) this.#taken.delete(victim.claim)
    else this.#count(victim.claim, -1)
    return stays
  }

  /** The end of one may have given the right to others. */
  #permitsAllBut(spared: Chosen): boolean {
    return [...this.#taken.values()].every((victim) => {
      if (victim === spared || !victim.sides) return true
      return this.#permits(victim.right, victim.sides, victim.resource) || this.#permitsForAnother(victim, victim.sides)
    })
  }

  #permits(right: Right, sides: Sides, resource: number): boolean {
    if (right === 'share') return mayShare(this.#scene.tree, this.#claimant, sides, resource)
    return ownsAt(this.#scene.tree.ledger, this.#claimant, sides.claimant, resource)
  }

  /** Whoever frees several of what is asked for may be taken for any of them. */
  #permitsForAnother({ claim, right, resource: first }: Chosen, sides: Sides): boolean {
    this.#count(claim, 1)
    const does = this.#claimant.vector.resources.some((resource) => {
      if (resource === first || amountOf(claim.vector, resource) === 0) return false
      if (!this.#isBeyondOwn(claim, sides.victim, resource)) return false
      return right === 'share'
        ? mayTakeByShare(this.#scene.tree, this.#claimant, sides, claim, resource)
        : this.#permits(right, sides, resource)
    })
    this.#count(claim, -1)
    return does
  }

  #isBeyondOwn(claim: Claim, top: number, resource: number): boolean {
    const { ledger } = this.#scene.tree
    for (let node = claim.project.leaf; ; node = ledger.parents[node]!) {
      if (ledger.overOwn(node, resource) === 0) return false
      if (node === top) return true
    }
  }

  #count(claim: Claim, sign: 1 | -1): void {
    claim.vector.resources.forEach((resource, index) => {
      this.#scene.tree.ledger.apply(claim.project.leaf, resource, sign * claim.vector.amounts[index]!)
    })
  }

  #highestBlock(): Block | undefined {
    const { vector, leaf } = this.#claimant
    let highest: Block | undefined,
      depth = -1
    const steps = [...this.#path]
    vector.resources.forEach((resource, index) => {
      const block = this.#scene.tree.ledger.blocks(leaf, resource, vector.amounts[index]!).at(-1)
      if (!block || steps.indexOf(block.node) <= depth) return
      highest = block
      depth = steps.indexOf(block.node)
    })
    return highest
  }

  /** The worst permitted victim below a node on the claimant's path. */
  #pickBelow(node: number, resource: number): Chosen | undefined {
    if (node === this.#claimant.leaf) return this.#pickOwn(resource)
    const mine = this.#childOnPath(node)
    const withinOwn = ownsAt(this.#scene.tree.ledger, this.#claimant, mine, resource)
    return this.#tryWorstFirst(node, resource, (child) =>
      child === mine
        ? this.#pickBelow(child, resource)
        : this.#pickFrom(child, { claimant: mine, victim: child }, resource, withinOwn),
    )
  }

  /** The claimant's own side below a node of its path. */
  #childOnPath(node: number): number {
    const path = [...this.#path]
    return path[path.indexOf(node) - 1]!
  }

  /** Lower priorities of the claimant's own project. */
  #pickOwn(resource: number): Chosen | undefined {
    if (this.#claimant.ownOnly) return undefined
    for (const claim of this.#scene.standings.victimsAt(this.#claimant.leaf, resource)) {
      if (claim.priority >= this.#claimant.priority || !this.#scene.standings.isFree(claim, resource)) continue
      if (!this.#scene.isProtected(claim, this.#claimant.leaf)) return { claim, right: 'priority', resource }
    }
    return undefined
  }

  #pickFrom(node: number, sides: Sides, resource: number, withinOwn: boolean): Chosen | undefined {
    const { tree } = this.#scene
    if (tree.ledger.overOwn(node, resource) === 0) return undefined
    if (node === sides.victim && !withinOwn && !mayShare(tree, this.#claimant, sides, resource)) return undefined
    const children = tree.ledger.children[node]!
    if (children.length === 0) return this.#pickAtLeaf(node, sides, resource, withinOwn)
    return this.#tryWorstFirst(node, resource, (child) => this.#pickFrom(child, sides, resource, withinOwn))
  }

  /** In the project's own order; of equal priority, if that counts, those past their minimum run time first. */
  #pickAtLeaf(leaf: number, sides: Sides, resource: number, withinOwn: boolean): Chosen | undefined {
    const mayBreakIn = withinOwn && !this.#ownerWaits(),
      countsPriority = this.#scene.standings.orderAt(leaf).includes('priority')
    let sheltered: Claim | undefined
    for (const claim of this.#scene.standings.victimsAt(leaf, resource)) {
      if (!this.#scene.standings.isFree(claim, resource)) continue
      if (countsPriority && sheltered && sheltered.priority !== claim.priority) break
      if (this.#scene.isProtected(claim, sides.victim)) sheltered ??= mayBreakIn ? claim : undefined
      else if (withinOwn) return { claim, right: 'owner', sides, resource }
      else if (mayTakeByShare(this.#scene.tree, this.#claimant, sides, claim, resource))
        return { claim, right: 'share', sides, resource }
    }
    return sheltered && { claim: sheltered, right: 'owner', sides, resource }
  }

  #ownerWaits(): boolean {
    const { tree } = this.#scene
    return tree.policy(tree.projectAt(this.#claimant.leaf), 'waitsForMinRuntime')
  }

  /** Asks those who use more than their own, and the claimant's own side, worst first, until one gives a victim. */
  #tryWorstFirst(node: number, resource: number, ask: (child: number) => Chosen | undefined): Chosen | undefined {
    const { standings } = this.#scene,
      asked: number[] = []
    try {
      for (;;) {
        const child = standings.worstOf(node, resource)
        const victim = child === NO_NODE ? undefined : ask(child)
        if (victim || child === NO_NODE) return victim
        standings.setAside(node, child, resource, true)
        asked.push(child)
      }
    } finally {
      for (const child of asked) standings.setAside(node, child, resource, false)
    }
  }
}
