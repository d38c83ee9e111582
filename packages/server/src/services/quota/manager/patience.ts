/** Whether a request that does not fit waits, and how long: as it says itself, else as its project's policy says. */
import type { Executor } from '#platform/db/database.ts'
import type { ReserveRequest } from '../facade.ts'
import { projectsByIds } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import type { ProjectPolicy } from './owners-policy.ts'

export interface Patience {
  /** Undefined: as long as it takes. */
  waitMaxMs: number | undefined
}

export const mayWait = ({ whenFull }: Pick<ReserveRequest, 'whenFull'>): boolean =>
  whenFull === 'wait' || whenFull === 'policy'

/** Nothing: it is refused. `missing`: the resource that it does not get. */
export const patienceOf = async (
  executor: Executor,
  project: StoredProject,
  request: ReserveRequest,
  missing: string,
): Promise<Patience | undefined> => {
  const { whenFull, waitMaxMs } = request
  if (whenFull === 'wait' && waitMaxMs !== undefined) return { waitMaxMs }
  const policy = await policyAlong(executor, project)
  const waits = whenFull === 'wait' || (policy.whenFullOf?.[missing] ?? policy.whenFull) === 'wait'
  return waits ? { waitMaxMs: waitMaxMs ?? policy.waitMaxMs } : undefined
}

/** What the project itself sets, else the nearest above it. */
const policyAlong = async (executor: Executor, { path }: StoredProject): Promise<Partial<ProjectPolicy>> => {
  const ids = path.map((node) => node.replace(/\/self$/, ''))
  const policies = new Map((await projectsByIds(executor, [...new Set(ids)])).map(({ id, policy }) => [id, policy]))
  return Object.assign({}, ...ids.toReversed().map((id) => policies.get(id)))
}
