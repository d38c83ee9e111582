/** Projects as a tree below their domains: create, change, enable and delete, alone or with everything below. */
import { forbidden } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { projects } from '../store/entity-store.ts'
import { ancestorsOf, subtreeOf } from '../store/project-tree.ts'
import type { Extra, Project } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import {
  found, invalid, mergedOptions, missing, refuseImmutableDelete, refuseImmutableUpdate, unlessTaken,
} from './refusals.ts'
import { removeTracesOfProject } from './traces.ts'
import { markOf } from './tokens.ts'

export interface ProjectChanges {
  name?: string
  domain_id?: string
  parent_id?: string | null
  is_domain?: boolean
  enabled?: boolean
  description?: string | null
  tags?: string[]
  options?: Extra
  extra?: Extra
}

export const projectTagsMax = 80

const nameConflict = (name: string, id: string) =>
  'it is not permitted to have two projects with either the same name or same id in the same domain: name is'
    + ` ${name}, project id ${id}`

export class Projects {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async fetch(id: string, db: Executor = this.#db): Promise<Project> {
    return found(await projects.fetch(db, id), 'project', id)
  }

  find(id: string): Promise<Project | undefined> { return projects.fetch(this.#db, id) }

  list(match: {
    domain_id?: string
    parent_id?: string
    is_domain?: boolean
    enabled?: boolean
    name?: string
    id?: string[]
  }): Promise<Project[]> {
    return projects.list(this.#db, match)
  }

  parents(id: string): Promise<Project[]> { return ancestorsOf(this.#db, id) }
  subtree(id: string): Promise<Project[]> { return subtreeOf(this.#db, id) }

  async create(wanted: ProjectChanges & { name: string; domain_id: string }, id = hexId()): Promise<Project> {
    const project: Project = {
      id, name: wanted.name.trim(), domain_id: wanted.domain_id, parent_id: wanted.parent_id ?? wanted.domain_id,
      is_domain: false,
      enabled: wanted.enabled ?? true, description: wanted.description ?? '', tags: wanted.tags ?? [],
      options: mergedOptions({}, wanted.options), extra: wanted.extra ?? {},
    }
    await unlessTaken('project', nameConflict(project.name, id), () => this.#db.transaction(async (tx) => {
      await this.#refuseMisplaced(tx, project)
      await projects.insert(tx, project)
      this.#ground.news.changed(tx, { projects: [id] })
    }))
    return project
  }

  async update(id: string, changes: ProjectChanges): Promise<Project> {
    return await unlessTaken('project', nameConflict(changes.name ?? '', id), () => this.#db.transaction(async (tx) => {
      const before = await this.fetch(id, tx)
      if (before.is_domain) throw missing('project', id)
      refuseImmutableUpdate(before, changes, 'project')
      refuseMoves(before, changes)
      await this.#refuseBadEnabling(tx, before, changes.enabled)
      const after = await this.#write(tx, before, changes)
      if (before.enabled && !after.enabled) await this.#ground.news.revoke(tx, markOf('project', id))
      return after
    }))
  }

  /** Enables or disables the project and everything below it. */
  async cascadeEnabled(id: string, enabled: boolean): Promise<Project> {
    return await this.#db.transaction(async (tx) => {
      const project = await this.fetch(id, tx)
      if (enabled) await this.#refuseDisabledParents(tx, project)
      const all = [project, ...await subtreeOf(tx, id)].filter((one) => one.enabled !== enabled)
      for (const one of all) {
        refuseImmutableUpdate(one, { }, 'project')
        await this.#write(tx, one, { enabled })
        if (!enabled) await this.#ground.news.revoke(tx, markOf('project', one.id))
      }
      return { ...project, enabled }
    })
  }

  async remove(id: string, options: { cascade: boolean } = { cascade: false }): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const project = await this.fetch(id, tx)
      if (project.is_domain) throw missing('project', id)
      const below = await subtreeOf(tx, id)
      if (below.length > 0 && !options.cascade) {
        throw forbidden(
          `Cannot delete the project ${id} since it is not a leaf in the hierarchy. Use the cascade option if`
            + ' you want to delete a whole subtree.'
        )
      }
      if (below.some((one) => one.enabled)) {
        throw forbidden(
          `Cannot delete project ${id} since its subtree contains enabled projects.`
        )
      }
      for (const one of [...below.toReversed(), project]) await this.#erase(tx, one)
    })
  }

  /** Replaces the tags; the door has checked each of them. */
  async setTags(id: string, change: (before: string[]) => string[]): Promise<Project> {
    return await this.#db.transaction(async (tx) => {
      const project = await this.fetch(id, tx)
      refuseImmutableUpdate(project, {}, project.is_domain ? 'domain' : 'project')
      const tags = change(project.tags)
      if (tags.length > projectTagsMax) {
        throw invalid(
          `A project can have at most ${projectTagsMax} tags, and would have ${tags.length}.`, 'tags',
        )
      }
      return await this.#write(tx, project, { tags })
    })
  }

  async #erase(tx: Tx, project: Project): Promise<void> {
    refuseImmutableDelete(project, 'project')
    await projects.remove(tx, project.id)
    await removeTracesOfProject(tx, project.id)
    this.#ground.news.changed(tx, { projects: [project.id] })
    this.#ground.news.gone(tx, 'project', project.id)
  }

  async #write(tx: Tx, before: Project, changes: ProjectChanges): Promise<Project> {
    const after: Project = {
      ...before,
      name: changes.name?.trim() ?? before.name,
      enabled: changes.enabled ?? before.enabled,
      description: changes.description === undefined ? before.description : changes.description ?? '',
      tags: changes.tags ?? before.tags,
      options: mergedOptions(before.options, changes.options),
      extra: { ...before.extra, ...changes.extra },
    }
    await projects.update(tx, before.id, after)
    this.#ground.news.changed(tx, { projects: [before.id] })
    return after
  }

  /** Domain and parent must exist and fit together, none of them disabled, and the tree not too deep. */
  async #refuseMisplaced(tx: Tx, project: Project): Promise<void> {
    const domain = await projects.fetch(tx, project.domain_id)
    if (!domain?.is_domain) throw invalid(`Could not find domain: ${project.domain_id}.`, 'domain_id')
    const parent = await projects.fetch(tx, project.parent_id)
    if (!parent) throw invalid(`Could not find project: ${project.parent_id}.`, 'parent_id')
    const parentDomain = parent.is_domain ? parent.id : parent.domain_id
    if (parentDomain !== domain.id) {
      throw invalid(
        `Cannot create project, since it specifies its domain_id ${domain.id}, but specifies a parent in a`
          + ` different domain (${parentDomain}).`,
        'parent_id',
      )
    }
    const line = [parent, ...await ancestorsOf(tx, parent.id)]
    const disabled = line.find((one) => !one.enabled)
    if (disabled) {
      throw invalid(
        `cannot create a project in a branch containing a disabled project: ${disabled.id}`, 'parent_id',
      )
    }
    const { projectDepthMax } = this.#ground.settings
    if (line.length > projectDepthMax) {
      throw forbidden(
        `Max hierarchy depth reached for ${parent.id} branch: at most ${projectDepthMax} levels of projects`
          + ' below a domain.'
      )
    }
  }

  async #refuseBadEnabling(tx: Tx, before: Project, enabled: boolean | undefined): Promise<void> {
    if (enabled === undefined || enabled === before.enabled) return
    if (enabled) return await this.#refuseDisabledParents(tx, before)
    if ((await subtreeOf(tx, before.id)).some((one) => one.enabled)) {
      throw forbidden(`Cannot disable project ${before.id} since its subtree contains enabled projects.`)
    }
  }

  async #refuseDisabledParents(tx: Tx, project: Project): Promise<void> {
    if ((await ancestorsOf(tx, project.id)).every((one) => one.enabled)) return
    throw forbidden(`Cannot enable project ${project.id} since it has disabled parents`)
  }
}

const refuseMoves = (before: Project, changes: ProjectChanges): void => {
  if (changes.domain_id !== undefined && changes.domain_id !== before.domain_id) {
    throw invalid('Cannot change Domain ID', 'domain_id')
  }
  if (changes.parent_id !== undefined && (changes.parent_id ?? '') !== before.parent_id) {
    throw forbidden(
      'Update of `parent_id` is not allowed.'
    )
  }
  if (changes.is_domain !== undefined && changes.is_domain !== before.is_domain) {
    throw invalid('Update of `is_domain` is not allowed.', 'is_domain')
  }
}
