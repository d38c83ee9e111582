/** What people see of quota and change in it: the tree in numbers, loans, explanations, suppositions, policies. */
import { badRequest, forbidden, notFound } from '#platform/errors/errors.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { toWire } from '#engines/quota/amounts.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import type { Ask } from '#engines/quota/asks.ts'
import { explain, simulate } from '#engines/quota/explain.ts'
import type { Explanation, Supposition, SuppositionResult } from '#engines/quota/explain.ts'
import { maySee } from '#engines/quota/kilo.ts'
import { agedLoansOf } from '#engines/quota/loan-ages.ts'
import type { AgedLoan } from '#engines/quota/loan-ages.ts'
import type { Holding } from '#engines/quota/settings.ts'
import type { Project } from '#engines/quota/tree.ts'
import type { ResourceLimit, ResourceUsage } from '../facade.ts'
import { projectFetch, projectUpdate, rootsList } from '../store/projects.ts'
import { resourcesList } from '../store/resources.ts'
import { growAsking, growTree } from './grown-tree.ts'
import type { Limits } from './limits.ts'
import { usageOf } from './limits.ts'
import { notesOf } from './owners-notes.ts'
import { policyOf } from './owners-policy.ts'
import type { ProjectPolicy } from './owners-policy.ts'
import type { QuotaParts } from './parts.ts'
import type { KnownProjects } from './projects.ts'
import { inWords } from './refusing.ts'

export interface BoardRow extends ResourceUsage {
  project: string
  parent: string | null
  depth: number
  resource: string
  lend: number
  borrow: number
  ceiling: number | null
  weight: number
  tier: number
  deserved: number
  /** Of the project and everything below it. */
  subtree: number
}

export interface Question {
  amounts: Record<string, number>
  priority?: number
}
export type Step =
  | { set: { project_id: string; resource: string; holding: Partial<Holding>; force?: boolean } }
  | { claim: { project_id: string; amounts: Record<string, number> } }
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
      return branchRows(engine, project, 0)
    }
    const rows: BoardRow[] = []
    for (const root of await rootsList(this.#parts.db)) {
      const engine = await growTree(this.#parts.db, root)
      rows.push(...branchRows(engine, engine.tree.project(root), 0))
    }
    return rows
  }

  async show(ctx: RequestContext, projectId: string): Promise<Record<string, ResourceUsage>> {
    const { engine, project } = await this.#seen(ctx, projectId)
    return Object.fromEntries(
      engine.tree.resources.map((name, resource) => [name, usageOf(engine, project, resource)]),
    )
  }

  /** Loans in which somebody takes part whom the caller may see. */
  async loans(ctx: RequestContext, projectId: string): Promise<AgedLoan[]> {
    const { engine } = await this.#seen(ctx, projectId)
    const mine = (id: string) => maySee(engine.tree, projectId, id)
    return engine.tree.resources
      .flatMap((_, resource) => agedLoansOf(engine, resource, this.#parts.clock.now()))
      .filter(({ lender, borrower }) => borrower !== null && (mine(lender) || mine(borrower)))
      .map((loan) => ({
        ...loan,
        lender: mine(loan.lender) ? loan.lender : 'another',
        borrower: loan.borrower === null || mine(loan.borrower) ? loan.borrower : 'another',
      }))
  }

  async explain(
    ctx: RequestContext,
    projectId: string,
    question: Question,
  ): Promise<Explanation & { notes: string[] }> {
    const { engine, project } = await this.#seen(ctx, projectId)
    const answer = explain(
      await this.#asking(engine, [projectId]),
      this.#ask(engine, projectId, question.amounts, question.priority),
      this.#parts.clock.now(),
    )
    const notes = await notesOf(this.#parts.db, engine.tree.roots[0]!.id, answer)
    return { ...(ctx.isAdmin ? answer : discreet(engine, project, answer)), notes }
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
    return { results: played.results.map(({ outcome }) => outcome), rows: branchRows(played.engine, root, 0) }
  }

  async set(
    ctx: RequestContext,
    projectId: string,
    limits: Record<string, number | ResourceLimit>,
    force: boolean,
  ): Promise<Record<string, ResourceUsage>> {
    await this.#assertMayChange(ctx, projectId)
    await this.#limits.set({ projectId, limits, force, by: ctx.userId })
    return this.show(ctx, projectId)
  }

  async reset(ctx: RequestContext, projectId: string): Promise<void> {
    await this.#assertMayChange(ctx, projectId)
    await this.#limits.reset(projectId, { by: ctx.userId })
  }

  /** What the project itself sets (`own`), and what holds for it with what it inherits. */
  async policy(ctx: RequestContext, projectId: string): Promise<{ own: object; effective: ProjectPolicy }> {
    const { project } = await this.#seen(ctx, projectId)
    return { own: project.policy, effective: policyOf(project) }
  }

  async setPolicy(
    ctx: RequestContext,
    projectId: string,
    policy: Partial<ProjectPolicy>,
  ): Promise<Partial<ProjectPolicy>> {
    await this.#assertMayChange(ctx, projectId)
    return this.#parts.db.transaction(async (tx) => {
      const project = await this.#projects.ensure(tx, projectId)
      const merged = { ...project.policy, ...policy }
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

const suppositionOf = (step: Step, index: number): Supposition => {
  if ('release' in step) return { release: step.release.subject }
  if ('claim' in step)
    return {
      claim: {
        id: `supposed ${index}`,
        project: step.claim.project_id,
        amounts: step.claim.amounts,
        whenFull: 'reclaim',
      },
    }
  const { project_id, ...rest } = step.set
  return { set: { project: project_id, ...rest } }
}

const branchRows = (engine: QuotaEngine, project: Project, depth: number): BoardRow[] => {
  const { tree } = engine
  const rows = tree.resources.map((name, resource): BoardRow => {
    const { lend, borrow, ceiling, weight, tier } = project.holdings[resource]!
    return {
      project: project.id,
      parent: project.parent?.id ?? null,
      depth,
      resource: name,
      ...usageOf(engine, project, resource),
      lend: toWire(lend),
      borrow: toWire(borrow),
      ceiling: ceiling === null ? null : toWire(ceiling),
      weight,
      tier,
      deserved: toWire(engine.deserved(resource).at(project.leaf)),
      subtree: tree.ledger.subtree(project.node, resource),
    }
  })
  const below = [...project.children].sort((a, b) => (a.id < b.id ? -1 : 1))
  return [...rows, ...below.flatMap((child) => branchRows(engine, child, depth + 1))]
}

/** Without the numbers and names of ancestors and their other children. */
const discreet = (engine: QuotaEngine, project: Project, answer: Explanation): Explanation => {
  const own = (id: string) => maySee(engine.tree, project.id, id.replace(/\/self$/, ''))
  const refusal =
    answer.refusal &&
    (own(answer.refusal.node)
      ? answer.refusal
      : {
          ...answer.refusal,
          node: 'ancestor',
          limit: -1,
          used: 0,
          reserved: 0,
          heldBy: [],
          remedy: 'Ask who administers it for more.',
        })
  return {
    ...answer,
    refusal,
    levels: answer.levels.filter((level) => own(level.project)),
    victims: answer.victims.map((victim) =>
      own(victim.project) ? victim : { ...victim, claim: 'another', project: 'another' },
    ),
  }
}
