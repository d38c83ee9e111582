/** Random histories of an engine: claims that take back, their ends, changes of settings and of the tree, time. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Ask } from '../asks.ts'
import type { QuotaEngine } from '../engine.ts'
import { RuleBroken } from '../rules.ts'

const acts = ['claim', 'release', 'commit', 'shrink', 'tick', 'remove', 'set', 'add', 'move'] as const
const often = ['claim', 'claim', 'claim', 'set'] as const
const fields = ['own', 'pool', 'lend', 'borrow', 'ceiling', 'weight', 'tier'] as const

export interface Step {
  do: (typeof acts)[number]
  /** Names a project and a claim. */
  at: number
  /** Names another project. */
  to: number
  amount: number
  field: (typeof fields)[number]
}

export const stepsOf: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    do: fc.constantFrom(...often, ...acts),
    at: fc.nat(1000),
    to: fc.nat(1000),
    amount: fc.nat(9),
    field: fc.constantFrom(...fields),
  }),
  { maxLength: 40 },
)

/** What only counts, and changes neither settings nor the tree. */
export const isCounting = ({ do: act }: Step): boolean => !['remove', 'set', 'add', 'move'].includes(act)

/** The same for the same engine, step and number; what a rule forbids is not done. */
export const perform = (engine: QuotaEngine, step: Step, number: number): void => {
  try {
    act(engine, step, number)
  } catch (error) {
    assert.ok(error instanceof RuleBroken, String(error))
  }
}

const act = (engine: QuotaEngine, step: Step, number: number): void => {
  const { tree } = engine,
    projects = [...tree.projects].sort((a, b) => (a.id < b.id ? -1 : 1)),
    project = projects[step.at % Math.max(1, projects.length)]
  if (!project) return
  const claims = [...engine.book.all()],
    claim = claims[step.at % Math.max(1, claims.length)]
  const nowMs = number * 10_000
  if (step.do === 'claim') engine.claim(askOf(engine, step, { id: `c${number}`, project: project.id }), nowMs)
  if (step.do === 'tick') engine.tick(nowMs)
  if (claim) actOn(engine, step, claim.id, nowMs)
  if (step.do === 'remove') engine.removeProject(project.id)
  if (step.do === 'set') change(engine, step, project.id)
  if (step.do === 'add') tree.addProject(`n${number}`, project.id)
  if (step.do === 'move') tree.moveProject(project.id, projects[step.to % projects.length]!.id)
}

const actOn = (engine: QuotaEngine, step: Step, claim: string, nowMs: number): void => {
  if (step.do === 'release') engine.release(claim, nowMs)
  if (step.do === 'commit') engine.commit(claim)
  if (step.do === 'shrink') engine.shrink(claim, amountsOf(engine, step), nowMs)
}

const askOf = (engine: QuotaEngine, step: Step, who: { id: string; project: string }): Ask => ({
  ...who,
  amounts: amountsOf(engine, step),
  priority: step.to % 3,
  whenFull: 'reclaim',
  reclaimable: 'yes',
  ttlMs: 90_000,
})

const amountsOf = ({ tree }: QuotaEngine, { amount, to }: Step): Record<string, number> =>
  Object.fromEntries(tree.resources.map((name, resource) => [name, resource === 0 ? amount : to % 4]))

const change = ({ tree }: QuotaEngine, { amount, field, to }: Step, project: string): void => {
  const value = field === 'ceiling' ? (amount === 0 ? null : amount * 3) : amount
  tree.configure(project, to % tree.resources.length, { [field]: value }, { force: amount % 2 === 0 })
}
