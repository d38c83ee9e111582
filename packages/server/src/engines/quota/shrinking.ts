/** Who goes when a project has used more than it may for too long, because its limit was lowered under its use. */
import type { QuotaEngine } from './engine.ts'
import { choosePayers } from './victims.ts'

export interface ShrinkNotice {
  claim: string
  project: string
  deadlineMs: number
}

/**
 * Those of the project and of what is below it that use more than their own, worst first, each project's in its order
 * of victims: the fewest that settle what is owed of these resources once everybody who has a notice is gone, or all
 * who can go. They have the usual grace. Changes nothing.
 */
export const planShrink = (
  engine: QuotaEngine,
  id: string,
  resources: readonly string[],
  nowMs: number,
): ShrinkNotice[] => {
  const { tree, tickets } = engine,
    project = tree.project(id)
  // The lower first: what is taken there is taken above as well.
  const nodes = [...new Set([project.leaf, project.node])]
  const debts = resources
    .map((name) => tree.resourceNumber(name))
    .filter((resource) => resource !== undefined)
    .flatMap((resource) => nodes.map((node) => ({ node, resource })))
  return tickets
    .asSettled(undefined, () => choosePayers(engine.scene(nowMs), project.leaf, debts))
    .map(({ claim }) => ({
      claim: claim.id,
      project: claim.project.id,
      deadlineMs: nowMs + engine.graceOf(claim, project),
    }))
}
