/** Whether a request that does not fit waits, and how long: as it says itself, else as its project's policy says. */
import type { Executor } from '#platform/db/database.ts'
import type { ReserveRequest } from '../facade.ts'
import type { StoredProject } from '../store/projects.ts'
import { policyAlong } from './owners-policy.ts'

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
