/** What must hold of every plan, whatever the tree, the order and the resources: each rule by its definition. */
import assert from 'node:assert/strict'
import type { Notice, Outcome } from '../asks.ts'
import { amountOf } from '../claims.ts'
import type { Claim } from '../claims.ts'
import type { QuotaEngine } from '../engine.ts'
import type { Project } from '../tree.ts'
import { playUntilRest } from './closed-system.ts'
import type { ClosedSystem, Job, Rest } from './closed-system.ts'
import { satisfiable } from './flow-oracle.ts'
import { byDefinition, judged } from './judged-tree.ts'

export type Plan = Extract<Outcome, { state: 'reclaiming' }>

export const eachPlan = (
  system: ClosedSystem,
  look: (engine: QuotaEngine, plan: Plan, job: Job) => void,
): Rest =>
  playUntilRest(system, {
    decided: (engine, job, outcome) => {
      if (outcome.state === 'reclaiming') look(engine, outcome, job)
    },
  })

export const victimsIn = (engine: QuotaEngine, { notices }: Plan): Claim[] =>
  notices.map(({ claim }) => engine.book.find(claim)!)

/** Looks at the tree as if these had ended already. */
export const without = <T>({ tree }: QuotaEngine, victims: readonly Claim[], look: () => T): T => {
  const shift = (sign: 1 | -1) => {
    for (const { project, vector } of victims)
      vector.resources.forEach((resource, at) => tree.ledger.apply(project.leaf, resource, sign * vector.amounts[at]!))
  }
  shift(-1)
  try {
    return look()
  } finally {
    shift(1)
  }
}

/** It is enough; without any one of its victims it is not, or another one would be taken without a right. */
export const assertMinimal = (engine: QuotaEngine, plan: Plan, job: Job): void => {
  const ticket = engine.tickets.find(plan.claim)
  if (!ticket) return
  const victims = victimsIn(engine, plan),
    { resources, amounts } = ticket.vector
  const missing = resources
    .map((resource, at) => ({ resource, amount: amounts[at]! - ticket.held[at]! }))
    .filter(({ amount }) => amount > 0)
  const { ledger } = engine.tree,
    fits = () => missing.every(({ resource, amount }) => ledger.fits(ticket.project.leaf, resource, amount))
  assert.ok(without(engine, victims, fits), 'the plan is not enough')
  for (const spared of victims) {
    const others = victims.filter((victim) => victim !== spared)
    if (!without(engine, others, fits)) continue
    const rest = { ...plan, notices: plan.notices.filter(({ claim }) => claim !== spared.id) }
    assert.throws(() => assertRights(engine, rest, job), /is taken as/, `${spared.id} is not needed`)
  }
}

/** The nodes below the root, from the leaf up. */
const pathOf = ({ tree }: QuotaEngine, { leaf }: Project): number[] => {
  const path: number[] = []
  for (let node = leaf; node >= 0; node = tree.ledger.parents[node]!) path.push(node)
  return path
}

/** Where the two sides meet: the path of the victim's up to there, and the claimant's child of it. */
const sidesOf = (engine: QuotaEngine, claimant: Project, victim: Project) => {
  const mine = pathOf(engine, claimant),
    theirs = pathOf(engine, victim)
  const chain = theirs.filter((node) => !mine.includes(node)),
    meeting = theirs[chain.length]!
  return { chain, meeting, mine: mine[mine.indexOf(meeting) - 1]! }
}

/**
 * Every victim's right, by definition, at every place that it names: the victim's side without those chosen before it,
 * the claimant's as it will be.
 */
export const assertRights = (engine: QuotaEngine, plan: Plan, job: Job): void => {
  const victims = victimsIn(engine, plan)
  plan.notices.forEach((notice, at) => {
    new Look(engine, job, victims, victims.slice(0, at + 1)).check(notice, victims[at]!)
  })
}

/** By resource that is asked for. */
type Numbers = Map<number, ReturnType<typeof byDefinition>>

class Look {
  readonly #engine: QuotaEngine
  readonly #job: Job
  readonly #claimant: Project
  /** Without those who were chosen so far. */
  readonly #now: Numbers
  /** Without any victim. */
  readonly #then: Numbers

  constructor(engine: QuotaEngine, job: Job, victims: readonly Claim[], chosen: readonly Claim[]) {
    this.#engine = engine
    this.#job = job
    this.#claimant = engine.tree.project(job.project)
    this.#now = this.#numbersWithout(chosen)
    this.#then = this.#numbersWithout(victims)
  }

  #numbersWithout(gone: readonly Claim[]): Numbers {
    const { tree } = this.#engine
    const asked = Object.entries(this.#job.amounts).filter(([, amount]) => amount > 0)
    return new Map(
      asked.map(([name, amount]) => {
        const resource = tree.resourceNumber(name)!
        return [resource, byDefinition(tree, this.#useAt(resource, amount, gone), resource)]
      }),
    )
  }

  /** With the whole request, as a ticket holds a part of it already. */
  #useAt(resource: number, amount: number, gone: readonly Claim[]) {
    const uses = new Map<number, number>()
    const add = (leaf: number, more: number) => uses.set(leaf, (uses.get(leaf) ?? 0) + more)
    for (const claim of this.#engine.book.all())
      if (!gone.includes(claim)) add(claim.project.leaf, amountOf(claim.vector, resource))
    add(this.#claimant.leaf, amount)
    return (leaf: number) => uses.get(leaf) ?? 0
  }

  check({ right }: Notice, victim: Claim): void {
    if (right === 'priority') {
      assert.equal(victim.project, this.#claimant)
      return assert.ok(victim.priority < this.#job.priority, `${victim.id} has no lower priority`)
    }
    const { chain, meeting, mine } = sidesOf(this.#engine, this.#claimant, victim.project),
      sides = { mine, theirs: chain.at(-1)!, meeting }
    const byShare = (resource: number) => this.#staysAtOwn(chain, resource) && this.#hasLess(sides, resource)
    const permits = (resource: number) =>
      this.#paysBeyondOwn(chain, victim, resource) &&
      (right === 'owner' ? this.#ownsIt(mine, resource) : byShare(resource))
    const freed = this.#asked.filter((resource) => amountOf(victim.vector, resource) > 0)
    assert.ok(freed.some(permits), `${victim.id} of ${victim.project.id} is taken as ${right}`)
  }

  get #asked(): number[] {
    return [...this.#now.keys()]
  }

  /** Every node up to where they meet was beyond its own before: less than this container goes too far. */
  #paysBeyondOwn(chain: readonly number[], victim: Claim, resource: number): boolean {
    let freed = amountOf(victim.vector, resource)
    return chain.every((node) => {
      const { counted, visible, private: kept } = this.#now.get(resource)!.get(node)!,
        before = counted + freed
      freed = Math.max(0, before - kept) - Math.max(0, counted - kept)
      return before > visible
    })
  }

  #staysAtOwn(chain: readonly number[], resource: number): boolean {
    const numbers = this.#now.get(resource)!
    return chain.every((node) => numbers.get(node)!.counted >= numbers.get(node)!.visible)
  }

  /** Its side owns all that is asked for; or its side what is contested, and itself all of it. */
  #ownsIt(mine: number, contested: number): boolean {
    const within = (node: number) => (resource: number) => overIn(this.#then, node, resource) === 0
    if (this.#asked.every(within(mine))) return true
    return within(mine)(contested) && this.#asked.every(within(this.#claimant.leaf))
  }

  /** By tier, weight 0 last; else by the larger part of what can be reached, per weight, of what is asked for. */
  #hasLess({ mine, theirs, meeting }: Record<'mine' | 'theirs' | 'meeting', number>, contested: number): boolean {
    const rank = (node: number) => {
      const { weight, tier } = this.#engine.tree.sharing(node, contested)
      return weight === 0 ? 100 + tier : tier
    }
    if (rank(mine) !== rank(theirs)) return rank(mine) < rank(theirs)
    const shares = (numbers: Numbers, node: number) =>
      this.#asked.map((resource) => ({
        over: overIn(numbers, node, resource),
        of: Math.max(1, this.#reachable(meeting, resource)) * (this.#engine.tree.sharing(node, resource).weight || 1),
      }))
    const dominating = shares(this.#now, theirs)
    return shares(this.#then, mine).every((one) => dominating.some(({ over, of }) => one.over * of <= over * one.of))
  }

  /** By max-flow: how much one more child without limit could have if nobody else used anything. */
  #reachable(meeting: number, resource: number): number {
    const unlimited = Number.POSITIVE_INFINITY
    const nodes = judged(this.#engine.tree, () => 0, resource).map((node) => ({ ...node, ceiling: unlimited }))
    const parent = nodes.findIndex(({ node }) => node === meeting)
    return satisfiable([...nodes, { parent, base: 0, lend: 0, borrow: unlimited, ceiling: unlimited, use: 1e6 }])
  }
}

const overIn = (numbers: Numbers, node: number, resource: number): number => {
  const { counted, visible } = numbers.get(resource)!.get(node)!
  return Math.max(0, counted - visible)
}

/** Whoever still waits, and would be within what it owns itself, of everything that it asks for. */
export const owed = ({ engine, pending }: Rest): string[] =>
  pending
    .filter(({ project, amounts }) => {
      const { ledger } = engine.tree,
        { leaf } = engine.tree.project(project)
      return Object.entries(amounts).every(([name, amount]) => {
        const resource = engine.tree.resourceNumber(name)!
        return amount === 0 || ledger.counted(leaf, resource) + amount <= ledger.base(leaf, resource)
      })
    })
    .map(({ name, project }) => `${name} of ${project}`)
