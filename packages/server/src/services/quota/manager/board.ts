/** What people see of quota and change in it: the tree in numbers, loans, explanations, suppositions, policies. */
import { badRequest, forbidden, notFound } from '#platform/errors/errors.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import type { Ask } from '#engines/quota/asks.ts'
import { explain, simulate } from '#engines/quota/explain.ts'
import type { Explanation, Supposition, SuppositionResult } from '#engines/quota/explain.ts'
import { maySee } from '#engines/quota/kilo.ts'
import { agedLoansOf } from '#engines/quota/loan-ages.ts'
import type { AgedLoan } from '#engines/quota/loan-ages.ts'
import type { Holding } from '#engines/quota/settings.ts'
import type { Project } from '#engines/quota/tree.ts'
import type { ResourceLimit } from '../facade.ts'
import { projectFetch, projectUpdate, rootsList } from '../store/projects.ts'
import { resourcesList } from '../store/resources.ts'
import { Balances } from './balances.ts'
import type { ResourceBalance } from './balances.ts'
import { branchRows } from './board-rows.ts'
import type { BoardRow } from './board-rows.ts'
import { discreetExplanation, discreetLoan, seenBy } from './discreet.ts'
import { growAsking, growTree } from './grown-tree.ts'
import type { Limits } from './limits.ts'
import { notesOf } from './owners-notes.ts'
import { policyOf } from './owners-policy.ts'
import type { ProjectPolicy } from './owners-policy.ts'
import type { QuotaParts } from './parts.ts'
import type { KnownProjects } from './projects.ts'
import { inWords, unknownResource } from './refusing.ts'

/** Null: as the parent has it. */
export type PolicyChange = { [Field in keyof ProjectPolicy]?: ProjectPolicy[Field] | null }

export interface Question {
  amounts: Record<string, number>
  priority?: number
}
export type Step =
  | { set: { project_id: string; resource: string; holding: Partial<Holding>; force?: boolean } }
  | { claim: { project_id: string; amounts: Record<string, number>; reclaimable?: Ask['reclaimable'] } }
  | { release: { subject: string } }

export class Board {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects
  readonly #limits: Limits

  constructor(parts: QuotaParts, projects: KnownProjects, limits: Limits) {
    this.#parts = parts
    this.#projects = projects
    this.#limits = limits
  }

  resources() {
    return resourcesList(this.#parts.db)
  }

  /** Everything the caller may see: all trees for an admin, else from the caller's project down. */
  async tree(ctx: RequestContext, wanted?: string): Promise<BoardRow[]> {
    if (!ctx.isAdmin || wanted !== undefined) {
      const { engine, project } = await this.#seen(ctx, wanted ?? ctx.projectId)
      return branchRows(engine, project)
    }
    const rows: BoardRow[] = []
    for (const root of await rootsList(this.#parts.db)) {
      const engine = await growTree(this.#parts.db, root)
      rows.push(...branchRows(engine, engine.tree.project(root)))
    }
    return rows
  }

  async show(ctx: RequestContext, projectId: string): Promise<Record<string, ResourceBalance>> {
    const { engine, project } = await this.#seen(ctx, projectId)
    const balances = new Balances(engine)
    return Object.fromEntries(
      engine.tree.resources.map((name, resource) => [name, balances.of(project, resource)]),
    )
  }

  /** Loans in which the project or somebody below it takes part; who else does, if the caller may know. */
  async loans(ctx: RequestContext, projectId: string): Promise<AgedLoan[]> {
    const { engine } = await this.#seen(ctx, projectId)
    const mine = (id: string) => maySee(engine.tree, projectId, id)
    return engine.tree.resources
      .flatMap((_, resource) => agedLoansOf(engine, resource, this.#parts.clock.now()))
      .filter(({ lender, borrower }) => borrower !== null && (mine(lender) || mine(borrower)))
      .map(discreetLoan(seenBy(engine.tree, ctx)))
  }

  async explain(
    ctx: RequestContext,
    projectId: string,
    question: Question,
  ): Promise<Explanation & { notes: string[] }> {
    const { engine } = await this.#seen(ctx, projectId)
    const asking = await this.#asking(engine, [projectId]),
      ask = this.#ask(engine, projectId, question.amounts, question.priority)
    const answer = explain(asking, ask, this.#parts.clock.now())
    const notes = await notesOf(this.#parts.db, engine.tree.roots[0]!.id, answer)
    return { ...discreetExplanation(answer, seenBy(engine.tree, ctx)), notes }
  }

  /** The same tree, in which those who ask find what was gathered for them. */
  async #asking(engine: QuotaEngine, projectIds: readonly string[]): Promise<QuotaEngine> {
    const root = engine.tree.roots[0]!.id
    return (await projectFetch(this.#parts.db, root)) ? growAsking(this.#parts.db, root, { projectIds }) : engine
  }

  #ask(engine: QuotaEngine, project: string, amounts: Record<string, number>, priority?: number): Ask {
    const unknown = Object.keys(amounts).find((name) => engine.tree.resourceNumber(name) === undefined)
    if (unknown !== undefined)
      throw badRequest(`There is no quota of "${unknown}".`, { field: unknown, reason: 'NOT_REGISTERED' })
    return { id: `question of ${project}`, project, amounts, priority }
  }

  /** Plays steps on a copy of the tree. Admins only: the answer is about everybody in it. */
  async simulate(
    ctx: RequestContext,
    projectId: string,
    steps: readonly Step[],
  ): Promise<{ results: SuppositionResult['outcome'][]; rows: BoardRow[] }> {
    const { engine } = await this.#seen(ctx, projectId)
    if (!ctx.isAdmin)
      throw forbidden('Only an administrator may simulate, because the answer is about every project of the tree.')
    const asking = await this.#asking(
      engine,
      steps.flatMap((step) => ('claim' in step ? [step.claim.project_id] : [])),
    )
    const played = inWords(() => simulate(asking, steps.map(suppositionOf), this.#parts.clock.now()))
    const root = played.engine.tree.roots[0]!
    return { results: played.results.map(({ outcome }) => outcome), rows: branchRows(played.engine, root) }
  }

  async set(
    ctx: RequestContext,
    projectId: string,
    limits: Record<string, number | ResourceLimit>,
    force: boolean,
  ): Promise<Record<string, ResourceBalance>> {
    await this.#assertMayChange(ctx, projectId)
    await this.#limits.set({ projectId, limits, force, by: ctx.userId })
    return this.show(ctx, projectId)
  }

  /** Of these resources, or of all. */
  async reset(ctx: RequestContext, projectId: string, resources?: readonly string[]): Promise<void> {
    await this.#assertMayChange(ctx, projectId)
    const known = new Set((await this.resources()).map(({ name }) => name))
    const unknown = resources?.find((name) => !known.has(name))
    if (unknown !== undefined) throw unknownResource(unknown)
    await this.#limits.reset(projectId, { resources, by: ctx.userId })
  }

  /** What the project itself sets (`own`), and what holds for it with what it inherits. */
  async policy(ctx: RequestContext, projectId: string): Promise<{ own: object; effective: ProjectPolicy }> {
    const { project } = await this.#seen(ctx, projectId)
    return { own: project.policy, effective: policyOf(project) }
  }

  /** What is null is inherited from then on. */
  async setPolicy(ctx: RequestContext, projectId: string, policy: PolicyChange): Promise<Partial<ProjectPolicy>> {
    await this.#assertMayChange(ctx, projectId)
    return this.#parts.db.transaction(async (tx) => {
      const project = await this.#projects.ensure(tx, projectId)
      const fields = Object.entries({ ...project.policy, ...policy })
      const merged = Object.fromEntries(fields.filter(([, value]) => value !== null && value !== undefined))
      await projectUpdate(tx, projectId, { policy: merged })
      await this.#parts.history.tell(tx, { kind: 'policy', projectId, actor: ctx.userId, details: { ...policy } })
      return merged as Partial<ProjectPolicy>
    })
  }

  /** An admin, or a manager of a project above; nobody their own. */
  async #assertMayChange(ctx: RequestContext, projectId: string): Promise<void> {
    await this.#seen(ctx, projectId)
    if (ctx.isAdmin || ctx.projectId !== projectId) return
    throw forbidden("A project's quota is changed by a manager of one above it, or by an administrator of the cloud.")
  }

  /** A project that the caller may see, and everything below it. */
  async idsBelow(ctx: RequestContext, projectId: string): Promise<string[]> {
    const { project } = await this.#seen(ctx, projectId)
    const below = (one: Project): string[] => [one.id, ...[...one.children].flatMap(below)]
    return below(project)
  }

  /** What a caller may not see does not exist for them. */
  async #seen(ctx: RequestContext, projectId: string): Promise<{ engine: QuotaEngine; project: Project }> {
    const { db, keystone } = this.#parts
    const exists =
      (await projectFetch(db, projectId)) !== undefined || (await keystone.projectAncestors(projectId)).length > 0
    const engine = exists ? await this.#limits.engineFor(db, projectId) : undefined
    const mine =
      engine !== undefined &&
      (ctx.isAdmin || projectId === ctx.projectId || this.#isBelow(engine, ctx.projectId, projectId))
    if (!mine) throw notFound(`Project ${projectId} could not be found.`)
    return { engine, project: engine.tree.project(projectId) }
  }

  #isBelow(engine: QuotaEngine, actor: string, target: string): boolean {
    return engine.tree.find(actor) !== undefined && maySee(engine.tree, actor, target)
  }
}

/** A claim that says nothing else may be taken back, as a server may. */
const suppositionOf = (step: Step, index: number): Supposition => {
  if ('release' in step) return { release: step.release.subject }
  if ('claim' in step) {
    const { project_id: project, amounts, reclaimable = 'yes' } = step.claim
    return { claim: { id: `supposed ${index}`, project, amounts, reclaimable, whenFull: 'reclaim' } }
  }
  const { project_id, ...rest } = step.set
  return { set: { project: project_id, ...rest } }
}
