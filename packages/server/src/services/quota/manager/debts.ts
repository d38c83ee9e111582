/** Forced shrinking: what a project uses beyond its limits for longer than its policy bears is taken back. */
import { planShrink } from '#engines/quota/shrinking.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { claimsNoticed } from '../store/claims.ts'
import { debtForget, debtsKnown, debtsOwed, debtWrite } from '../store/debts.ts'
import type { KnownDebt, Owed } from '../store/debts.ts'
import { isInAnyPolicy, projectFetch, projectsByIds } from '../store/projects.ts'
import { debtTicket, growAsking } from './grown-tree.ts'
import { policiesAlong } from './owners-policy.ts'
import type { QuotaParts } from './parts.ts'
import type { Reclaim } from './reclaim.ts'

/** A debt that stays as it is is called in again after this: others may have become able to pay. */
const againMs = 300_000

/** One resource of a project: what it owes, and what is known of that. */
interface Debt {
  projectId: string
  resource: string
  amount: number
  known: KnownDebt | undefined
}

export class Debts {
  readonly #parts: Pick<QuotaParts, 'db' | 'clock'>
  readonly #reclaim: Reclaim

  constructor(parts: Pick<QuotaParts, 'db' | 'clock'>, { reclaim }: { readonly reclaim: Reclaim }) {
    this.#parts = parts
    this.#reclaim = reclaim
  }

  /** Projects whose debts are not yet what `settle` makes of them. */
  async unsettled(limit: number): Promise<string[]> {
    const { db } = this.#parts,
      known = await debtsKnown(db)
    if (known.length === 0 && !(await isInAnyPolicy(db, 'shrinkAfterMs'))) return []
    const debts = joined(await debtsOwed(db), known),
      patience = await patienceOf(db, [...new Set(debts.map(({ projectId }) => projectId))])
    const open = debts.filter((debt) => this.#isUnsettled(debt, patience.get(debt.projectId) ?? null))
    return [...new Set(open.map(({ projectId }) => projectId))].slice(0, limit)
  }

  #isUnsettled({ amount, known }: Debt, patienceMs: number | null): boolean {
    if (amount === 0 || patienceMs === null) return known !== undefined
    if (!known) return true
    if (!this.#isDue(known.since, patienceMs)) return known.called !== null
    return known.called !== amount || this.#parts.clock.now() >= known.calledAt! + againMs
  }

  #isDue(since: number, patienceMs: number): boolean {
    return this.#parts.clock.now() >= since + patienceMs
  }

  /**
   * Writes down since when a project is in debt, and makes its notices those that settle what has been owed for too
   * long. Idempotent.
   */
  settle(projectId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const patienceMs = (await patienceOf(tx, [projectId])).get(projectId) ?? null,
        due: Debt[] = []
      for (const debt of joined(await debtsOwed(tx, projectId), await debtsKnown(tx, projectId)))
        if (await this.#keep(tx, debt, patienceMs)) due.push(debt)
      if (due.length > 0) await this.#call(tx, projectId, due)
      else await this.#reclaim.end(tx, debtTicket(projectId))
    })
  }

  /** What is known of a debt from now on. True: it is called in. */
  async #keep(tx: Tx, { projectId, resource, amount, known }: Debt, patienceMs: number | null): Promise<boolean> {
    if (amount === 0 || patienceMs === null) {
      await debtForget(tx, projectId, resource)
      return false
    }
    const now = this.#parts.clock.now(),
      since = known?.since ?? now,
      isDue = this.#isDue(since, patienceMs)
    const called = isDue ? { called: amount, calledAt: now } : { called: null, calledAt: null }
    await debtWrite(tx, { projectId, resource, since, ...called })
    return isDue
  }

  /** Planned anew as if nobody had a notice for it: who has to go still keeps the deadline, who need not stays. */
  async #call(tx: Tx, projectId: string, due: readonly Debt[]): Promise<void> {
    const { rootId } = (await projectFetch(tx, projectId))!,
      ticket = debtTicket(projectId)
    const engine = await growAsking(tx, rootId, { projectIds: [ticket] })
    const resources = due.map(({ resource }) => resource)
    const going = planShrink(engine, projectId, resources, this.#parts.clock.now()),
      subjects = new Set(going.map(({ claim }) => claim))
    const before = await claimsNoticed(tx, ticket),
      told = new Set(before.map(({ subject }) => subject))
    for (const claim of before) if (!subjects.has(claim.subject)) await this.#reclaim.spare(tx, claim)
    for (const notice of going) {
      if (!told.has(notice.claim)) await this.#reclaim.notify(tx, projectId, { ...notice, right: 'shrink' }, ticket)
    }
  }
}

const joined = (owed: readonly Owed[], known: readonly KnownDebt[]): Debt[] => {
  const keyOf = ({ projectId, resource }: Pick<Debt, 'projectId' | 'resource'>) => `${projectId} ${resource}`
  const debts = new Map<string, Debt>()
  for (const one of known) {
    const { projectId, resource } = one
    debts.set(keyOf(one), { projectId, resource, amount: 0, known: one })
  }
  for (const one of owed) debts.set(keyOf(one), { ...one, known: debts.get(keyOf(one))?.known })
  return [...debts.values()]
}

/** How long each of the projects bears a debt; null: for ever. Those that are unknown are absent. */
const patienceOf = async (
  executor: Executor,
  projectIds: readonly string[],
): Promise<Map<string, number | null>> => {
  const policies = await policiesAlong(executor, await projectsByIds(executor, projectIds))
  return new Map([...policies].map(([id, { shrinkAfterMs }]) => [id, shrinkAfterMs < 0 ? null : shrinkAfterMs]))
}
