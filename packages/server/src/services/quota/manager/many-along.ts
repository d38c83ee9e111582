/** Many claims along their paths at once: each is walked over what those before it leave, all are counted together. */
import type { Tx } from '#platform/db/database.ts'
import { grantAlong } from '../store/along-path.ts'
import { cellsOnPath, LostRace } from '../store/cells.ts'
import type { CellChange } from '../store/cells.ts'
import { claimsKnown } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import type { NewHappening } from '../store/history.ts'
import { projectsByIds } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import type { CellRow } from '../store/tables.ts'
import { projectsWithTickets } from '../store/tickets.ts'
import { grantOf } from './grants.ts'
import type { QuotaParts } from './parts.ts'
import { PathWalk } from './path-walk.ts'

/** A path that kept changing so often is left to each by itself. */
const roundsMax = 3

/**
 * The subjects of those that are granted. The others have changed nothing and are to be asked about by themselves: they
 * do not fit, are there already, or need more than a look at numbers (a ticket, a project that is new).
 */
export const grantManyAlong = async (
  tx: Tx,
  { history }: Pick<QuotaParts, 'history'>,
  claims: readonly StoredClaim[],
): Promise<Set<string>> => {
  const able = await simpleOnes(tx, claims)
  for (let round = 0; round < roundsMax && able.length > 0; round++) {
    const walked = walkAll(await numbersOf(tx, able), able)
    if (walked.granted.length === 0) break
    const rows = walked.granted.flatMap(({ claim, borrowed }) => history.rowsOf({ ...grantOf(claim), borrowed }))
    const outcome = await grantAll(tx, walked, rows)
    if (outcome === 'changed') continue
    if (outcome === 'known') throw new LostRace('a claim was made meanwhile')
    history.announce(tx, rows)
    return new Set(walked.granted.map(({ claim }) => claim.subject))
  }
  return new Set()
}

const grantAll = (tx: Tx, { granted, changes }: Walked, history: readonly NewHappening[]) =>
  grantAlong(tx, { changes, claims: granted.map(({ claim }) => claim), history })

interface Able {
  claim: StoredClaim
  project: StoredProject
}

const simpleOnes = async (tx: Tx, claims: readonly StoredClaim[]): Promise<Able[]> => {
  const ids = [...new Set(claims.map(({ projectId }) => projectId))]
  const projects = new Map((await projectsByIds(tx, ids)).map((project) => [project.id, project]))
  const claiming = await projectsWithTickets(tx, ids),
    known = await claimsKnown(
      tx,
      claims.map(({ subject }) => subject),
    )
  return claims
    .filter(({ projectId, subject }) => projects.has(projectId) && !claiming.has(projectId) && !known.has(subject))
    .map((claim) => ({ claim, project: projects.get(claim.projectId)! }))
}

/** Cells by node and resource. */
type Numbers = Map<string, CellRow>
const keyOf = (node: string, resource: string): string => `${node} ${resource}`

const numbersOf = async (tx: Tx, able: readonly Able[]): Promise<Numbers> => {
  const nodes = [...new Set(able.flatMap(({ project }) => project.path))],
    resources = [...new Set(able.flatMap(({ claim }) => Object.keys(claim.amounts)))]
  const cells = await cellsOnPath(tx, nodes, resources)
  return new Map(cells.map((cell) => [keyOf(cell.node, cell.resource), cell]))
}

interface Walked {
  granted: { claim: StoredClaim; borrowed: Record<string, number> }[]
  changes: CellChange[]
}

const walkAll = (stored: Numbers, able: readonly Able[]): Walked => {
  const now: Numbers = new Map(stored),
    height = new Map<string, number>(),
    granted: Walked['granted'] = []
  for (const { claim, project } of able) {
    const walk = walkOver(now, project.path, Object.keys(claim.amounts))
    if (!walk?.fits(claim.amounts)) continue
    granted.push({ claim, borrowed: walk.borrowing(claim.amounts) })
    walk.count(claim.amounts, 1, claim.state === 'reserved')
    for (const { before, after } of walk.changes())
      now.set(keyOf(before.node, before.resource), { ...before, ...after })
    for (const [index, node] of project.path.entries()) height.set(node, index - project.path.length)
  }
  const changed = [...now].filter(([key, cell]) => stored.get(key) !== cell)
  const changes = changed.map(([key, after]): CellChange => ({ before: stored.get(key)!, after }))
  return { granted, changes: changes.sort(byLocking(height)) }
}

const walkOver = (now: Numbers, path: readonly string[], resources: readonly string[]): PathWalk | undefined => {
  const cells = path.flatMap((node) => resources.map((resource) => now.get(keyOf(node, resource))))
  return cells.every((cell) => cell !== undefined) ? new PathWalk(path, cells) : undefined
}

/** As one path is locked: the lowest node first, then by name. */
const byLocking =
  (height: ReadonlyMap<string, number>) =>
  ({ before: a }: CellChange, { before: b }: CellChange): number =>
    height.get(a.node)! - height.get(b.node)! || order(a.node, b.node) || order(a.resource, b.resource)

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
