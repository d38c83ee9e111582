/** Counts along one project's path in the caller's transaction: who comes at the same moment waits, or tries again. */
import type { Tx } from '#platform/db/database.ts'
import { emptyRefusal } from '#engines/quota/refusals.ts'
import type { Amounts } from '../facade.ts'
import { cellsCount, cellsOnPath, LostRace } from '../store/cells.ts'
import { projectFetch } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { resourceFetch } from '../store/resources.ts'
import { growLocked, writeTree } from './grown-tree.ts'
import { PathWalk } from './path-walk.ts'
import { overQuota } from './refusing.ts'

/** Below serializable isolation each round waits for those before it, so that few are ever needed. */
export const roundsMax = 20

export interface Charge {
  amounts: Amounts
  /** What to do with them on the walk; false: it must not be done. */
  apply(walk: PathWalk): boolean
  /** A claim that is written already and is counted by this charge. */
  uncounted?: string
}

/** False when `apply` said no; then nothing is changed. */
export const charge = async (
  tx: Tx,
  project: StoredProject,
  { amounts, apply, uncounted }: Charge,
): Promise<boolean> => {
  for (let round = 0; round < roundsMax; round++) {
    const walk = await walkOf(tx, project, amounts, uncounted)
    if (!walk) return true
    if (!apply(walk)) return false
    if (await cellsCount(tx, walk.changes())) return true
  }
  throw new LostRace(`quota of project ${project.id} kept changing`)
}

/**
 * The stored numbers along the path; made anew where a resource or a project is new to them. Nothing to walk for
 * nothing to count.
 */
export const walkOf = async (
  tx: Tx,
  project: StoredProject,
  amounts: Amounts,
  uncounted?: string,
): Promise<PathWalk | undefined> => {
  const names = Object.keys(amounts)
  if (names.length === 0) return undefined
  const known = await storedWalk(tx, project.path, names)
  if (known) return known
  for (const name of names) if (!(await resourceFetch(tx, name))) throw unregistered(project.id, name, amounts[name]!)
  const engine = await growLocked(tx, project.rootId, uncounted)
  const now = await projectFetch(tx, project.id)
  if (!now) throw new LostRace(`project ${project.id} went meanwhile`)
  const madeMeanwhile = await storedWalk(tx, now.path, names)
  if (madeMeanwhile) return madeMeanwhile
  await writeTree(tx, project.rootId, engine)
  return storedWalk(tx, (await projectFetch(tx, project.id))!.path, names)
}

const storedWalk = async (tx: Tx, path: string[], names: readonly string[]): Promise<PathWalk | undefined> => {
  const cells = await cellsOnPath(tx, path, names)
  return cells.length === path.length * names.length ? new PathWalk(path, cells) : undefined
}

const unregistered = (project: string, name: string, asked: number) =>
  overQuota(emptyRefusal('NOT_REGISTERED', project, name, asked, 'Its service must declare it with a default limit.'))
