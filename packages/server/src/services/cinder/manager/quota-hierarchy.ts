/** Whose quota a caller may see and change: the rules of Cinder's nested quota. */
import type { RequestContext } from '#platform/auth/context.ts'
import { forbidden } from '#platform/errors/errors.ts'
import type { KeystoneFacade } from '#services/keystone/facade.ts'

/** A project in its tree. Domains are above trees, and no part of them. */
interface Place {
  id: string
  parentId: string | null
  /** Itself first. */
  path: string[]
}

const byParent =
  'Update and delete quota operations can only be made by an admin of immediate parent or by the CLOUD admin.'

export class QuotaHierarchy {
  readonly #keystone: KeystoneFacade
  constructor(keystone: KeystoneFacade) {
    this.#keystone = keystone
  }

  /**
   * The cloud's own administrators change any quota; others those of the children of the project that their token is
   * for, below a root, or of everything below it, at one. Nobody below a root changes their own.
   */
  async assertMayChange(ctx: RequestContext, target: string): Promise<void> {
    if (await this.#isCloudAdmin(ctx)) return
    const [caller, project] = await Promise.all([this.#place(ctx.projectId), this.#place(target)])
    if (caller.parentId !== null && project.parentId !== caller.id) throw forbidden(byParent)
    if (caller.id === project.id) throw forbidden(byParent)
    if (!project.path.includes(caller.id)) {
      throw forbidden(
        'Update and delete quota operations can only be made to projects in the same hierarchy of the project in ' +
          'which users are scoped to.',
      )
    }
  }

  /** A project sees its own, its children's, and, at the root, all below it. */
  async assertMaySee(ctx: RequestContext, target: string): Promise<void> {
    if (ctx.projectId === target || (await this.#isCloudAdmin(ctx))) return
    const [caller, project] = await Promise.all([this.#place(ctx.projectId), this.#place(target)])
    if (project.parentId === null && caller.parentId !== null) {
      throw forbidden('An user with a token scoped to a subproject is not allowed to see the quota of its parents.')
    }
    if (!project.path.includes(caller.id)) {
      throw forbidden(
        'Show operations can only be made to projects in the same hierarchy of the project in which users are ' +
          'scoped to.',
      )
    }
    if (project.parentId !== caller.id && caller.parentId !== null) {
      throw forbidden(
        'Only users with token scoped to immediate parents or root projects are allowed to see its children quotas.',
      )
    }
  }

  /**
   * Administers the cloud and not only a hierarchy of it: by a system token, or one for the project `admin` of the
   * default domain, or for a project that stands alone, as all do where nothing is nested.
   */
  async #isCloudAdmin(ctx: RequestContext): Promise<boolean> {
    if (!ctx.isAdmin) return false
    if (ctx.token.system || ctx.projectId === '') return true
    const { project } = ctx.token
    if (project?.name === 'admin' && project.domain.id === 'default') return true
    const { parentId } = await this.#place(ctx.projectId)
    return parentId === null && !(await this.hasChildren(ctx.projectId))
  }

  async hasChildren(projectId: string): Promise<boolean> {
    return (await this.#keystone.projectsList()).some((project) => project.parentId === projectId)
  }

  async #place(projectId: string): Promise<Place> {
    const path = (await this.#keystone.projectAncestors(projectId)).filter(({ isDomain }) => !isDomain)
    return { id: projectId, parentId: path[1]?.id ?? null, path: path.map(({ id }) => id) }
  }
}
