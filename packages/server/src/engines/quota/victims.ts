/** Chooses whom to take capacity back from: fewest, only useful, in an order that anybody can check. */
import { compareRatios, compareText } from './amounts.ts'
import { amountOf } from './claims.ts'
import type { Claim, ClaimBook } from './claims.ts'
import { NO_NODE } from './ledger.ts'
import type { Block } from './ledger.ts'
import { mayShare, mayTakeByShare, ownsAt, rankOf } from './rights.ts'
import type { Claimant, Right, Sides } from './rights.ts'
import type { QuotaTree } from './tree.ts'
import { compareVictims, orderFor } from './victim-order.ts'
import type { VictimOrder } from './victim-order.ts'
import { WorstFirst } from './worst-first.ts'

export interface Victim {
  claim: Claim
  right: Right
}

/** One that is chosen, and where its side and the claimant's meet; of a priority they are one. */
interface Chosen extends Victim {
  sides?: Sides
  resource: number
}

/** How a child of a node on the way down stands towards its siblings. */
interface Standing {
  readonly node: number
  /** Use beyond its own, on the claimant's path with the request. */
  readonly over: number
  readonly rank: number
  readonly weight: number
  /** Its next victim, once it had to decide between equals; null: it has none. */
  best?: Claim | null
}

/** Everything a choice looks at. The ledger is changed while choosing and is as before afterwards. */
export interface Scene {
  tree: QuotaTree
  book: ClaimBook
  nowMs: number
  /** Where a project's claims stand under the minimum run time of the victim's side. */
  isProtected(claim: Claim, victimSide: number): boolean
}

/** The victims that make the request fit, or nothing when no set of permitted victims does. */
export const chooseVictims = (scene: Scene, claimant: Claimant): Victim[] | undefined => {
  const choice = new Choice(scene, claimant)
  try {
    return choice.run()
  } finally {
    choice.undo()
  }
}

/** A node at which more is used than may be. */
export interface Debt {
  node: number
  resource: number
}

/** Whom to take from until nothing is owed any more, or nobody is left who could pay; `leaf`: of who is in debt. */
export const choosePayers = (scene: Scene, leaf: number, debts: readonly Debt[]): Victim[] => {
  const choice = new Choice(scene, { leaf, vector: { resources: [], amounts: [] }, priority: 0, ownOnly: true })
  try {
    return choice.settle(debts)
  } finally {
    choice.undo()
  }
}

class Choice {
  readonly #scene: Scene
  readonly #claimant: Claimant
  readonly #path = new Set<number>()
  readonly #taken = new Map<Claim, Chosen>()
  readonly #queues = new Map<number, WorstFirst<Standing>>()

  constructor(scene: Scene, claimant: Claimant) {
    this.#scene = scene
    this.#claimant = claimant
    for (let node = claimant.leaf; node !== NO_NODE; node = scene.tree.ledger.parents[node]!) this.#path.add(node)
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

  undo(): void {
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
      const { right, sides, resource } = victim
      if (victim === spared || !sides) return true
      if (right === 'share') return mayShare(this.#scene.tree, this.#claimant, sides, resource)
      return ownsAt(this.#scene.tree.ledger, this.#claimant, sides.claimant, resource)
    })
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
    const children = this.#scene.tree.ledger.children[node]!
    const mine = children.find((child) => this.#path.has(child))!
    const withinOwn = ownsAt(this.#scene.tree.ledger, this.#claimant, mine, resource)
    return this.#tryWorstFirst(node, resource, (child) =>
      child === mine
        ? this.#pickBelow(child, resource)
        : this.#pickFrom(child, { claimant: mine, victim: child }, resource, withinOwn),
    )
  }

  /** Lower priorities of the claimant's own project. */
  #pickOwn(resource: number): Chosen | undefined {
    if (this.#claimant.ownOnly) return undefined
    for (const claim of this.#victimsAt(this.#claimant.leaf, resource)) {
      if (claim.priority >= this.#claimant.priority || !this.#isFree(claim, resource)) continue
      if (!this.#scene.isProtected(claim, this.#claimant.leaf)) return { claim, right: 'priority', resource }
    }
    return undefined
  }

  /** The order of a project is its policy's; between projects it is that of the one where they meet. */
  #orderAt(node: number): VictimOrder {
    const { tree } = this.#scene
    return tree.policy(tree.projectAt(node), 'victimOrder')
  }

  #victimsAt(leaf: number, resource: number): readonly Claim[] {
    const { tree, book } = this.#scene
    return book.victimsOf(tree.projectAt(leaf), orderFor(this.#orderAt(leaf), resource))
  }

  #isFree(claim: Claim, resource: number): boolean {
    return !this.#taken.has(claim) && claim.state !== 'reclaiming' && amountOf(claim.vector, resource) > 0
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
      countsPriority = this.#orderAt(leaf).includes('priority')
    let sheltered: Claim | undefined
    for (const claim of this.#victimsAt(leaf, resource)) {
      if (!this.#isFree(claim, resource)) continue
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
    const queue = this.#queueAt(node, resource),
      asked: Standing[] = []
    let victim: Chosen | undefined
    while (!victim) {
      const next = queue.pop()
      if (!next) break
      const now = this.#standing(next.node, resource)
      // Who has paid since it was put there stands better.
      if (next.over !== now.over) {
        if (this.#takesPart(now)) queue.push(now)
        continue
      }
      victim = ask(next.node)
      asked.push(next)
    }
    for (const standing of asked) queue.push(standing)
    return victim
  }

  #takesPart({ node, over }: Standing): boolean {
    return over > 0 || this.#path.has(node)
  }

  #queueAt(node: number, resource: number): WorstFirst<Standing> {
    const key = node * this.#scene.tree.resources.length + resource
    let queue = this.#queues.get(key)
    if (!queue) {
      const standings = this.#scene.tree.ledger.children[node]!.map((child) => this.#standing(child, resource))
      const before = (a: Standing, b: Standing) => this.#compareStandings(a, b, resource) < 0
      queue = new WorstFirst(
        standings.filter((standing) => this.#takesPart(standing)),
        before,
      )
      this.#queues.set(key, queue)
    }
    return queue
  }

  #standing(node: number, resource: number): Standing {
    const { tree } = this.#scene,
      { ledger } = tree,
      { leaf, vector } = this.#claimant
    const counted = this.#path.has(node)
      ? ledger.countedWith(leaf, node, resource, amountOf(vector, resource))
      : ledger.counted(node, resource)
    return {
      node,
      over: Math.max(0, counted - ledger.visible(node, resource)),
      rank: rankOf(tree, node, resource),
      weight: tree.sharing(node, resource).weight || 1,
    }
  }

  #compareStandings(a: Standing, b: Standing, resource: number): number {
    const order = b.rank - a.rank || compareRatios(b.over, b.weight, a.over, a.weight) || b.over - a.over
    return order || this.#compareBest(a, b, resource)
  }

  #compareBest(a: Standing, b: Standing, resource: number): number {
    const first = this.#bestOf(a, resource),
      second = this.#bestOf(b, resource)
    const { tree } = this.#scene
    const order = this.#orderAt(tree.ledger.parents[a.node]!)
    if (first && second && first !== second) return compareVictims(order, first, second, resource)
    return Number(!first) - Number(!second) || compareText(tree.nodeName(a.node), tree.nodeName(b.node))
  }

  #bestOf(standing: Standing, resource: number): Claim | null {
    if (standing.best === undefined) standing.best = this.#bestIn(standing.node, resource) ?? null
    return standing.best
  }

  #bestIn(node: number, resource: number): Claim | undefined {
    const { ledger } = this.#scene.tree,
      children = ledger.children[node]!
    if (children.length === 0) return this.#victimsAt(node, resource).find((claim) => this.#isFree(claim, resource))
    const order = this.#orderAt(node)
    let best: Claim | undefined
    for (const child of children) {
      const claim = ledger.overOwn(child, resource) > 0 ? this.#bestIn(child, resource) : undefined
      if (claim && (!best || compareVictims(order, claim, best, resource) < 0)) best = claim
    }
    return best
  }
}
