/** QB2's tree in a database: 9,331 projects on six levels, three resources. Its numbers are derived once. */
import type { Database } from '../../packages/server/src/platform/db/database.ts'
import { growLocked, writeTree } from '../../packages/server/src/services/quota/manager/grown-tree.ts'
import { inserted } from './bulk.ts'

const branch = 6
const depth = 5
/** So much that no case uses up what an earlier one left private. */
const leafOwn = 1_000_000_000

export interface PlantedTree {
  /** The path is from the project to the root. */
  projects: readonly { id: string; own: number; path: string[] }[]
  leaves: readonly string[]
  resources: readonly string[]
}

export const amounts: Readonly<Record<string, number>> = { instances: 1, cores: 2, ram: 512 }

export const rootId = 'org'

export const planTree = (): PlantedTree => {
  const projects: PlantedTree['projects'][number][] = [],
    leaves: string[] = []
  const plant = (id: string, above: string[], level: number): void => {
    const path = [id, ...above]
    projects.push({ id, own: leafOwn * branch ** (depth - level), path })
    if (level === depth) leaves.push(id)
    else for (let child = 0; child < branch; child++) plant(`${id}.${child}`, path, level + 1)
  }
  plant(rootId, [], 0)
  return { projects, leaves, resources: Object.keys(amounts) }
}

/** What of its own a leaf lends: half is private then, or nothing is. */
export type Lent = 'half' | 'all'

export const plantTree = async (db: Database, { projects, leaves, resources }: PlantedTree): Promise<void> => {
  const isLeaf = new Set(leaves)
  await inserted(
    db,
    'quota_resource',
    resources.map((name) => ({ name, service: 'bench', default_limit: projects[0]!.own, unit: '' })),
  )
  await inserted(
    db,
    'quota_project',
    projects.map(({ id, path }) => ({
      ...{ id, parent_id: path[1] ?? null, root_id: rootId, policy: '{}' },
      path: JSON.stringify(isLeaf.has(id) ? path : [`${id}/self`, ...path]),
    })),
  )
  const holding = { pool: 0, borrow: 50, weight: 1, tier: 1 }
  await inserted(
    db,
    'quota_holding',
    projects.slice(1).flatMap(({ id, own }) =>
      resources.map((resource) => ({
        ...holding,
        ...{ project_id: id, resource, own, lend: isLeaf.has(id) ? own / 2 : -1 },
      })),
    ),
  )
  await derive(db)
}

/** From now on leaves lend so much. */
export const lendFrom = async (db: Database, lent: Lent): Promise<void> => {
  await db
    .as<{ quota_holding: { own: number; lend: number } }>()
    .updateTable('quota_holding')
    .set({ lend: lent === 'all' ? -1 : leafOwn / 2 })
    .where('own', '=', leafOwn)
    .execute()
  await derive(db)
}

const derive = (db: Database): Promise<void> =>
  db.transaction(async (tx) => void (await writeTree(tx, rootId, await growLocked(tx, rootId))))
