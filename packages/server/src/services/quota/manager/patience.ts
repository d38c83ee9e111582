/** Whether a request that does not fit waits, and how long: as it says itself, else as its project's policy says. */
import { reachable } from '#engines/quota/rights.ts'
import type { QuotaTree } from '#engines/quota/tree.ts'
import type { ReserveRequest } from '../facade.ts'
import { policyOf } from './owners-policy.ts'

export interface Patience {
  /** Undefined: as long as it takes. */
  waitMaxMs: number | undefined
}

export const mayWait = ({ whenFull }: ReserveRequest): boolean => whenFull === 'wait' || whenFull === 'policy'

/** Nothing: it is refused, as it must be when it could not fit though nobody else used anything. */
export const patienceOf = (tree: QuotaTree, request: ReserveRequest, missing: string): Patience | undefined => {
  if (!mayWait(request)) return undefined
  const policy = policyOf(tree.project(request.projectId))
  const waits = request.whenFull === 'wait' || (policy.whenFullOf?.[missing] ?? policy.whenFull) === 'wait'
  return waits && couldFit(tree, request) ? { waitMaxMs: request.waitMaxMs ?? policy.waitMaxMs } : undefined
}

const couldFit = (tree: QuotaTree, { projectId, deltas }: ReserveRequest): boolean => {
  const { leaf } = tree.project(projectId)
  return Object.entries(deltas).every(([name, amount]) => amount <= roomOf(tree, leaf, tree.resourceNumber(name)!))
}

/** The most that a leaf could ever use, if all above and beside it were idle. */
const roomOf = ({ ledger }: QuotaTree, leaf: number, resource: number): number => {
  let room = reachable(ledger, leaf, resource)
  for (let node = leaf; node >= 0; node = ledger.parents[node]!) room = Math.min(room, ledger.ceiling(node, resource))
  return room
}
