/** The numbers of a whole tree as people read them: what is lent and deserved is found once for each resource. */
import { toWire } from '#engines/quota/amounts.ts'
import type { Entitlement } from '#engines/quota/deserved.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import { hardLimitOf } from '#engines/quota/kilo.ts'
import { loansOf } from '#engines/quota/loans.ts'
import type { Project } from '#engines/quota/tree.ts'
import type { ResourceUsage } from '../facade.ts'

/** With both sides of the loans of now. */
export interface ResourceBalance extends ResourceUsage {
  lent: number
  borrowed: number
}

/** What a project lends and has borrowed, of its pool too: a root's and an inner project's own use of it among them. */
type Loaned = Map<string, { lent: number; borrowed: number }>

export class Balances {
  readonly #engine: QuotaEngine
  readonly #loaned: Loaned[]
  readonly #deserved: (Entitlement | undefined)[] = []

  constructor(engine: QuotaEngine) {
    this.#engine = engine
    this.#loaned = engine.tree.resources.map((_, resource) => loanedIn(engine, resource))
  }

  of(project: Project, resource: number): ResourceBalance {
    const { lent = 0, borrowed = 0 } = this.#loaned[resource]!.get(project.id) ?? {}
    return { ...usageOf(this.#engine, project, resource), lent, borrowed }
  }

  deserved(project: Project, resource: number): number {
    const dealt = (this.#deserved[resource] ??= this.#engine.deserved(resource))
    return toWire(dealt.at(project.leaf))
  }
}

const loanedIn = ({ tree }: QuotaEngine, resource: number): Loaned => {
  const loaned: Loaned = new Map()
  const add = (project: string, side: 'lent' | 'borrowed', amount: number): void => {
    const sums = loaned.get(project) ?? { lent: 0, borrowed: 0 }
    loaned.set(project, { ...sums, [side]: sums[side] + amount })
  }
  for (const { lender, borrower, amount } of loansOf(tree, resource)) {
    add(lender, 'lent', amount)
    add(borrower, 'borrowed', amount)
  }
  return loaned
}

export const usageOf = ({ tree }: QuotaEngine, project: Project, resource: number): ResourceUsage => {
  const { own, pool, allocated, used, reserved, drawn, free } = tree.numbers(project, resource)
  return {
    limit: hardLimitOf(project.holdings[resource]!, project.parent === null),
    inUse: used,
    reserved,
    allocated: allocated + drawn,
    free: toWire(free),
    owned: toWire(own),
    pool: toWire(pool),
    available: toWire(tree.ledger.available(project.leaf, resource)),
  }
}
