/** QB7: a pool that the first comers hold returns to its ratio; how many must go until it does. */
import type { Outcome } from '../../packages/server/src/engines/quota/asks.ts'
import { QuotaEngine } from '../../packages/server/src/engines/quota/engine.ts'
import type { Project } from '../../packages/server/src/engines/quota/tree.ts'
import { QuotaTree } from '../../packages/server/src/engines/quota/tree.ts'
import { plantSharers, randomOf } from './forest.ts'

const poolSize = 10_000
/** More than any tenant deserves. */
const wanted = 100

export interface Convergence {
  /** Σ of what anybody holds beyond its share before the others ask. */
  overDeserved: number
  /** Until every tenant is within one of what it deserves. */
  evictions: number
  untilRest: number
  /** The largest, at rest. */
  distance: number
}

interface Pool {
  engine: QuotaEngine
  tenants: readonly Project[]
  random: () => number
  /** One unit for a tenant, if need be from others. */
  ask(tenant: Project): Outcome
  end(claim: string): void
}

/** Tenants of different weights share it; the first tenth of them took all of it. */
const unfairPool = (branches: readonly number[]): Pool => {
  const tree = new QuotaTree(),
    random = randomOf(3)
  tree.addResource('units')
  tree.addProject('org', null)
  tree.configure('org', 0, { own: poolSize, pool: poolSize })
  const tenants = plantSharers(tree, branches, (leaf) => 1 + (leaf % 4)).map((id) => tree.project(id)),
    engine = new QuotaEngine(tree)
  let asked = 0
  const ask = ({ id: project }: Project): Outcome => {
    const id = `c${asked++}`
    return engine.claim({ id, project, amounts: { units: 1 }, reclaimable: 'yes', whenFull: 'reclaim' }, asked)
  }
  while (asked < poolSize) ask(tenants[Math.floor((random() * tenants.length) / 10)]!)
  return { engine, tenants, random, ask, end: (claim) => engine.release(claim, asked) }
}

/** How far each tenant is from what it deserves when all want more than that. */
class Gaps {
  readonly #gaps: Map<string, number>
  /** Tenants that are more than one from it. */
  far: number

  constructor({ engine, tenants }: Pool) {
    const deserved = engine.deserved(0, new Map(tenants.map((tenant) => [tenant, wanted])))
    this.#gaps = new Map(
      tenants.map(({ id, leaf }) => [id, engine.tree.ledger.counted(leaf, 0) - deserved.at(leaf)]),
    )
    this.far = [...this.#gaps.values()].filter((gap) => Math.abs(gap) > 1).length
  }

  change(tenant: string, by: 1 | -1): void {
    const before = this.#gaps.get(tenant)!,
      after = before + by
    this.#gaps.set(tenant, after)
    this.far += Number(Math.abs(after) > 1) - Number(Math.abs(before) > 1)
  }

  get over(): number {
    return [...this.#gaps.values()].reduce((sum, gap) => sum + Math.max(0, gap), 0)
  }
  get largest(): number {
    return Math.max(...[...this.#gaps.values()].map(Math.abs))
  }
}

/** Says who asks next, given whether the last one got something; nobody when all were refused since. */
type Order = (granted: boolean | undefined, last: Project | undefined) => Project | undefined

/** Rounds of one ask a tenant, each round in another order. */
const inRandomRounds = ({ tenants, random }: Pool): Order => {
  let round: Project[] = [],
    anyGranted = true
  return (granted) => {
    anyGranted ||= granted === true
    if (round.length === 0) {
      if (!anyGranted) return undefined
      anyGranted = false
      round = tenants
        .map((tenant) => ({ tenant, at: random() }))
        .sort((a, b) => a.at - b.at)
        .map(({ tenant }) => tenant)
    }
    return round.pop()
  }
}

/** The engine's waiting order where nobody owns anything: at each level the side that would use least per weight. */
const inFairOrder = ({ engine: { tree } }: Pool): Order => {
  const closed = new Set<Project>()
  const standing = ({ node }: Project) => (tree.ledger.counted(node, 0) + 1) / tree.sharing(node, 0).weight
  const openBelow = (project: Project) => [...project.children].filter((child) => !closed.has(child))
  const close = (project: Project): void => {
    closed.add(project)
    if (project.parent && openBelow(project.parent).length === 0) close(project.parent)
  }
  return (granted, last) => {
    if (last && granted === false) close(last)
    let next = tree.project('org')
    if (closed.has(next)) return undefined
    while (next.children.size > 0) next = openBelow(next).reduce((a, b) => (standing(b) < standing(a) ? b : a))
    return next
  }
}

/** Every tenant asks for one more until all are refused; whoever gets notice ends at once. */
export const converge = (branches: readonly number[], order: 'random' | 'fair'): Convergence => {
  const pool = unfairPool(branches),
    gaps = new Gaps(pool),
    overDeserved = gaps.over,
    next = order === 'random' ? inRandomRounds(pool) : inFairOrder(pool)
  let untilRest = 0,
    evictions: number | undefined,
    granted: boolean | undefined
  for (let tenant = next(undefined, undefined); tenant; tenant = next(granted, tenant)) {
    const outcome = pool.ask(tenant)
    granted = outcome.state !== 'refused'
    if (granted) gaps.change(tenant.id, 1)
    for (const { claim, project } of outcome.state === 'reclaiming' ? outcome.notices : []) {
      pool.end(claim)
      gaps.change(project, -1)
      untilRest++
    }
    if (gaps.far === 0) evictions ??= untilRest
  }
  return { overDeserved, evictions: evictions ?? untilRest, untilRest, distance: gaps.largest }
}
