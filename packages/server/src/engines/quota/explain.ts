/** Answers to "why", "what could I still use" and "what if", in numbers, level by level; changes nothing. */
import { ceilingToWire, fromWire, toWire } from './amounts.ts'
import type { QuotaEngine } from './engine.ts'
import type { Ask, Outcome } from './asks.ts'
import type { QuotaRefusal } from './refusals.ts'
import type { Holding } from './settings.ts'
import { exportState, importState } from './state.ts'
import type { VictimOrder } from './victim-order.ts'

/** One ancestor, or the project itself, as a request meets it. All amounts −1 for no limit. */
export interface Level {
  project: string
  resource: string
  ceiling: number
  used: number
  /** Capacity that starts here or is lent from below, what of it is in use, and how much may be borrowed on top. */
  visible: number
  counted: number
  borrow: number
  lends: number
  overOwn: number
  blocked: 'ceiling' | 'bound' | null
}

export interface Explanation {
  /** `waits`: it would be first in line for what comes back by itself. */
  verdict: 'fits' | 'reclaims' | 'waits' | 'refused'
  /** Whom it would take back from. */
  victims: { claim: string; project: string; right: string; order: VictimOrder }[]
  refusal: QuotaRefusal | null
  levels: Level[]
  available: Record<string, number>
  deserved: Record<string, number>
  using: Record<string, number>
}

const verdicts = {
  reserved: 'fits',
  committed: 'fits',
  reclaiming: 'reclaims',
  waiting: 'waits',
  refused: 'refused',
} as const

/** What `claim` would answer now, and why. */
export const explain = (engine: QuotaEngine, ask: Ask, nowMs: number): Explanation => {
  const { tree } = engine,
    project = tree.project(ask.project)
  const resources = Object.keys(ask.amounts)
    .map((name) => tree.resourceNumber(name))
    .filter((number) => number !== undefined)
  const wanted = (resource: number) => ask.amounts[tree.resources[resource]!]!
  const perResource = (value: (resource: number) => number) =>
    Object.fromEntries(resources.map((resource) => [tree.resources[resource]!, toWire(value(resource))]))
  const outcome = fork(engine).claim({ ...ask, whenFull: 'reclaim' }, nowMs)
  return {
    verdict: verdicts[outcome.state],
    victims:
      outcome.state === 'reclaiming'
        ? outcome.notices.map(({ claim, project: from, right, order }) => ({ claim, project: from, right, order }))
        : [],
    refusal: refusalOf(engine, ask, outcome),
    levels: resources.flatMap((resource) => levelsOf(engine, project.leaf, resource, wanted(resource))),
    available: perResource((resource) => tree.ledger.available(project.leaf, resource)),
    deserved: perResource((resource) =>
      engine.deserved(resource, new Map([[project, wanted(resource)]])).at(project.leaf),
    ),
    using: perResource((resource) => tree.ledger.counted(project.leaf, resource)),
  }
}

/** Whoever waits for what comes back by itself is told the same of what is missing. */
const refusalOf = (engine: QuotaEngine, { project, amounts }: Ask, outcome: Outcome): QuotaRefusal | null => {
  if (outcome.state === 'refused') return outcome.refusal
  if (outcome.state !== 'waiting') return null
  const asked = Object.entries(amounts).filter(([, amount]) => amount > 0),
    resources = asked.map(([name]) => engine.tree.resourceNumber(name)!)
  return engine.refusalOf(engine.tree.project(project), { resources, amounts: asked.map(([, amount]) => amount) })
}

const levelsOf = ({ tree }: QuotaEngine, leaf: number, resource: number, amount: number): Level[] => {
  const { ledger } = tree,
    blocks = new Map(ledger.blocks(leaf, resource, amount).map((block) => [block.node, block.barrier]))
  const levels: Level[] = []
  for (let node = leaf; node >= 0; node = ledger.parents[node]!) {
    levels.push({
      project: tree.nodeName(node),
      resource: tree.resources[resource]!,
      ceiling: ceilingToWire(ledger.ceiling(node, resource)),
      used: ledger.subtree(node, resource),
      visible: toWire(ledger.visible(node, resource)),
      counted: ledger.counted(node, resource),
      borrow: toWire(ledger.borrow(node, resource)),
      lends: toWire(ledger.lendable(node, resource)),
      overOwn: ledger.overOwn(node, resource),
      blocked: blocks.get(node) ?? null,
    })
  }
  return levels
}

/** An engine in the same state that can be played with. */
export const fork = (engine: QuotaEngine): QuotaEngine => importState(exportState(engine))

export type Supposition =
  | { set: { project: string; resource: string; holding: Partial<Holding>; force?: boolean } }
  | { claim: Ask }
  | { release: string }

export interface SuppositionResult {
  supposition: Supposition
  outcome: Outcome | { state: 'done' }
}

/** Plays changes and claims, in order, on a copy; whoever would get a notice stops at once. Limits may be −1. */
export const simulate = (
  engine: QuotaEngine,
  suppositions: readonly Supposition[],
  nowMs: number,
): { engine: QuotaEngine; results: SuppositionResult[] } => {
  const copy = fork(engine)
  const results = suppositions.map((supposition) => ({ supposition, outcome: suppose(copy, supposition, nowMs) }))
  return { engine: copy, results }
}

const suppose = (engine: QuotaEngine, supposition: Supposition, nowMs: number): SuppositionResult['outcome'] => {
  if ('release' in supposition) engine.release(supposition.release, nowMs)
  if ('set' in supposition) setSupposed(engine, supposition.set)
  if (!('claim' in supposition)) return { state: 'done' }
  const outcome = engine.claim(supposition.claim, nowMs)
  if (outcome.state === 'reclaiming') for (const notice of outcome.notices) engine.release(notice.claim, nowMs)
  return outcome
}

const setSupposed = (
  { tree }: QuotaEngine,
  {
    project,
    resource,
    holding,
    force,
  }: { project: string; resource: string; holding: Partial<Holding>; force?: boolean },
): void => {
  const amounts = Object.fromEntries(
    Object.entries(holding).map(([field, value]) => [field, value === null ? null : fromWire(value)]),
  )
  tree.configure(project, tree.addResource(resource), amounts, { force })
}
