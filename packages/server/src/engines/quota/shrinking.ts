/** Who goes when a project has used more than it may for too long, because its limit was lowered under its use. */
import type { QuotaEngine } from './engine.ts'

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
  const { tree, planner } = engine,
    project = tree.project(id)
  // The lower first: what is taken there is taken above as well.
  const nodes = [...new Set([project.leaf, project.node])]
  const debts = resources
    .map((name) => tree.resourceNumber(name))
    .filter((resource) => resource !== undefined)
    .flatMap((resource) => nodes.map((node) => ({ node, resource })))
  return planner.planPayers(project.leaf, debts, nowMs).map(({ claim }) => ({
    claim: claim.id,
    project: claim.project.id,
    deadlineMs: nowMs + planner.graceOf(claim, project),
  }))
}
