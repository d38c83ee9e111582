/** Walks the tree of projects in the database, with one query a walk. */
import type { Executor } from '#platform/db/database.ts'
import { projects } from './entity-store.ts'
import type { Project } from './tables.ts'

// A recursive query names columns that no table has, which the builder's types cannot follow.
const tree = (db: Executor): any => db.as()

/** The project's ancestors, its parent first and its domain last. */
export const ancestorsOf = async (db: Executor, id: string): Promise<Project[]> => {
  const line: { id: string }[] = await tree(db)
    .withRecursive('line(id, depth)', (query: any) => query
      .selectFrom('identity_project').where('id', '=', id).select((all: any) => [
        'parent_id as id', all.lit(1).as('depth'),
      ])
      .unionAll(query.selectFrom('identity_project as above').innerJoin('line', 'line.id', 'above.id')
        .select((all: any) => ['above.parent_id as id', all('line.depth', '+', 1).as('depth')])))
    .selectFrom('line').select('id').where('id', '<>', '').orderBy('depth').execute()
  const found = new Map((await projects.list(
    db, { id: line.map((one) => one.id) },
  )).map((project) => [project.id, project]))
  return line.flatMap((one) => found.get(one.id) ?? [])
}

/** Everything below the project, parents before children. */
export const subtreeOf = async (db: Executor, id: string): Promise<Project[]> => {
  const below: { id: string }[] = await tree(db)
    .withRecursive('below(id, depth)', (query: any) => query
      .selectFrom('identity_project').where('parent_id', '=', id).select((all: any) => ['id', all.lit(1).as('depth')])
      .unionAll(query.selectFrom('identity_project as child').innerJoin('below', 'below.id', 'child.parent_id')
        .select((all: any) => ['child.id', all('below.depth', '+', 1).as('depth')])))
    .selectFrom('below').select('id').orderBy('depth').orderBy('id').execute()
  const found = new Map((await projects.list(
    db, { id: below.map((one) => one.id) },
  )).map((project) => [project.id, project]))
  return below.flatMap((one) => found.get(one.id) ?? [])
}
