/** How a project's loans come back, with what happens to the servers that must go: what it sets, else its parent's. */
import { policyDefault } from '#engines/quota/settings.ts'
import type { Policy } from '#engines/quota/settings.ts'
import type { Project } from '#engines/quota/tree.ts'
import type { Executor } from '#platform/db/database.ts'
import { projectsByIds } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'

/** `stop`: a server that must give back is stopped and stays, without what it held. */
export type OnReclaim = 'delete' | 'stop'

export interface ProjectPolicy extends Policy {
  /** Of this project as a borrower. */
  onReclaim: OnReclaim
  /** So long it may use more than its limits allow before what is beyond is taken; −1: until an owner asks for it. */
  shrinkAfterMs: number
  /** What happens to requests of those who can wait when they do not fit; default: they are refused. */
  whenFull?: 'refuse' | 'wait'
  /** The same of single resources: that of the one that is missing counts. */
  whenFullOf?: Readonly<Record<string, 'refuse' | 'wait'>>
  /** A waiting request is given up after this. Default: never. */
  waitMaxMs?: number
}

const standard: Readonly<ProjectPolicy> = { ...policyDefault, onReclaim: 'delete', shrinkAfterMs: -1 }

export const policyOf = (project: Project): ProjectPolicy => {
  const line: Partial<ProjectPolicy>[] = []
  for (let at: Project | null = project; at; at = at.parent) line.unshift(at.policy as Partial<ProjectPolicy>)
  return Object.assign({}, standard, ...line)
}

/** The same where only paths have to be read. */
export const policiesAlong = async (
  executor: Executor,
  projects: readonly StoredProject[],
): Promise<Map<string, ProjectPolicy>> => {
  const lines = new Map(projects.map(({ id, path }) => [id, path.map((node) => node.replace(/\/self$/, ''))]))
  const above = await projectsByIds(executor, [...new Set([...lines.values()].flat())])
  const policies = new Map(above.map(({ id, policy }) => [id, policy]))
  const effective = (line: readonly string[]): ProjectPolicy =>
    Object.assign({}, standard, ...line.toReversed().map((id) => policies.get(id)))
  return new Map([...lines].map(([id, line]) => [id, effective(line)]))
}

export const policyAlong = async (executor: Executor, project: StoredProject): Promise<ProjectPolicy> =>
  (await policiesAlong(executor, [project])).get(project.id)!
