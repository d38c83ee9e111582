/** Drives an engine the way a patient cluster would: whoever gets a notice stops at once, and the claimant starts. */
import assert from 'node:assert/strict'
import { QuotaEngine } from '../engine.ts'
import type { Ask, Notice, Outcome } from '../asks.ts'
import { plant } from './planted.ts'
import type { Plot } from './planted.ts'

export type Amounts = number | Record<string, number>

export interface AskOptions extends Partial<Pick<Ask, 'priority' | 'lineage' | 'graceMs'>> {
  id?: string
}

export class Lab {
  readonly engine: QuotaEngine
  nowMs = 1_000_000
  #asks = 0

  constructor(plots: Record<string, Plot>, resources?: readonly string[]) {
    this.engine = new QuotaEngine(plant(plots, resources))
  }

  /** Starts a container without taking anything back. Gives its claim id. */
  start(project: string, amounts: Amounts = 1, options: AskOptions = {}): string {
    const ask = this.#ask(project, amounts, options)
    const outcome = this.engine.claim(ask, ++this.nowMs)
    assert.equal(outcome.state, 'reserved', JSON.stringify(outcome))
    this.engine.commit(ask.id)
    return ask.id
  }

  startMany(project: string, count: number, amounts: Amounts = 1): void {
    for (let made = 0; made < count; made++) this.start(project, amounts)
  }

  /** `ok`, `ok, evicts T2-1 by owner`, `waits`, or the refusal as `CEILING at T1`. */
  ask(project: string, amounts: Amounts = 1, options: AskOptions = {}): string {
    const ask = this.#ask(project, amounts, options)
    const outcome = this.engine.claim({ ...ask, whenFull: 'reclaim' }, ++this.nowMs)
    if (outcome.state === 'refused') return `${outcome.refusal.code} at ${outcome.refusal.node}`
    if (outcome.state === 'waiting') return 'waits'
    if (outcome.state !== 'reclaiming') {
      this.engine.commit(ask.id)
      return 'ok'
    }
    return this.#obey(ask.id, outcome)
  }

  askMany(project: string, count: number, amounts: Amounts = 1): string[] {
    return Array.from({ length: count }, () => this.ask(project, amounts))
  }

  #obey(id: string, outcome: Extract<Outcome, { state: 'reclaiming' }>): string {
    const evicted = this.#byRight(outcome.notices)
    for (const notice of outcome.notices) this.engine.release(notice.claim, this.nowMs)
    if (!this.engine.book.find(id)) return 'waits'
    this.engine.commit(id)
    return `ok, evicts ${evicted}`
  }

  /** `T2-1 T2-1 by owner, T3-2 by share`: whose, how large, by which right. */
  #byRight(notices: readonly Notice[]): string {
    const names = Map.groupBy(notices, ({ right }) => right)
    return [...names]
      .map(([right, list]) => [list.map(({ project, claim }) => `${project}-${this.#size(claim)}`), right] as const)
      .map(([list, right]) => `${list.sort().join(' ')} by ${right}`)
      .join(', ')
  }

  #size(claim: string): number {
    return this.engine.book.find(claim)!.vector.amounts[0]!
  }

  #ask(project: string, amounts: Amounts, options: AskOptions): Ask {
    const wanted = typeof amounts === 'number' ? { [this.engine.tree.resources[0]!]: amounts } : amounts
    return { id: `claim-${++this.#asks}`, project, amounts: wanted, reclaimable: 'yes', ...options }
  }

  /** What each project itself uses now. */
  used(...projects: string[]): number[] {
    return projects.map((id) => this.engine.tree.ledger.counted(this.engine.tree.project(id).leaf, 0))
  }

  usedOf(project: string, resource: string): number {
    const { tree } = this.engine
    return tree.ledger.counted(tree.project(project).leaf, tree.resourceNumber(resource)!)
  }

  available(...projects: string[]): number[] {
    return projects.map((id) => this.engine.tree.ledger.available(this.engine.tree.project(id).leaf, 0))
  }

  numbers(project: string) {
    return this.engine.tree.numbers(this.engine.tree.project(project), 0)
  }

  set(project: string, own: number, force = false): string {
    return attempt(() => this.engine.tree.configure(project, 0, { own }, { force }))
  }

  /** Stops the newest containers of a project. */
  stop(project: string, count: number): void {
    const claims = [...this.engine.book.all()].filter((claim) => claim.project.id === project)
    for (const claim of claims.slice(-count)) this.engine.release(claim.id, ++this.nowMs)
  }

  /** What projects deserve under the given demand. */
  deserved(demand: Record<string, number>, resource = 0): number[] {
    const { tree } = this.engine
    const pending = new Map(
      Object.entries(demand).map(([id, amount]) => {
        const project = tree.project(id)
        return [project, amount - tree.ledger.counted(project.leaf, resource)]
      }),
    )
    const entitlement = this.engine.deserved(resource, pending)
    return Object.keys(demand).map((id) => entitlement.at(tree.project(id).leaf))
  }
}

const attempt = (act: () => void): string => {
  try {
    act()
    return 'ok'
  } catch (error) {
    const { code, details } = error as { code: string; details: { min?: number; max?: number } }
    assert.ok(code, String(error))
    return code === 'BELOW_USE' ? `min ${details.min}` : code === 'ABOVE_PARENT' ? `max ${details.max}` : code
  }
}
