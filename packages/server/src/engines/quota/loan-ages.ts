/** Loans as people follow them: since when, whether they were called back, and what could be lent and is idle. */
import { minus, positive } from './amounts.ts'
import { amountOf } from './claims.ts'
import type { Claim } from './claims.ts'
import type { QuotaEngine } from './engine.ts'
import { loansOf } from './loans.ts'
import type { Loan } from './loans.ts'
import type { Project, QuotaTree } from './tree.ts'

/** `overdue`: called back, and the deadline has passed. */
export type LoanState = 'idle' | 'lent' | 'called back' | 'overdue'

export interface AgedLoan extends Omit<Loan, 'borrower'> {
  /** Null: nobody uses it now. */
  borrower: string | null
  state: LoanState
  /** When the oldest container that lives on it started; null where nobody uses it. */
  sinceMs: number | null
  /** Of what the borrower uses beyond its own, so much was asked back. */
  calledBack: number
}

/** Every loan of a resource, then what is offered and lent to nobody. Limitless offers are no rows. */
export const agedLoansOf = (engine: QuotaEngine, resource: number, nowMs: number): AgedLoan[] => {
  const { tree } = engine,
    loans = loansOf(tree, resource),
    claims = claimsByProject(engine, resource)
  const aged = loans.map((loan): AgedLoan => {
    const borrowed = borrowedClaims(tree, tree.project(loan.borrower), resource, claims.get(loan.borrower) ?? [])
    return { ...loan, ...standingOf(borrowed, resource, nowMs), sinceMs: borrowed.at(-1)?.startedAtMs ?? nowMs }
  })
  return [...aged, ...[...tree.projects].flatMap((project) => idleOf(tree, project, resource, loans))]
}

const claimsByProject = ({ book }: QuotaEngine, resource: number): Map<string, Claim[]> => {
  const byProject = new Map<string, Claim[]>()
  for (const claim of book.all()) {
    if (amountOf(claim.vector, resource) === 0) continue
    byProject.set(claim.project.id, [...(byProject.get(claim.project.id) ?? []), claim])
  }
  return byProject
}

/** What a project uses beyond its own is what it started last. The newest first. */
const borrowedClaims = (tree: QuotaTree, { leaf }: Project, resource: number, claims: readonly Claim[]): Claim[] => {
  const borrowed: Claim[] = []
  let over = tree.ledger.overOwn(leaf, resource)
  for (const claim of [...claims].sort((a, b) => b.startedAtMs - a.startedAtMs || b.number - a.number)) {
    if (over <= 0) break
    borrowed.push(claim)
    over -= amountOf(claim.vector, resource)
  }
  return borrowed
}

const standingOf = (borrowed: readonly Claim[], resource: number, nowMs: number) => {
  const called = borrowed.filter((claim) => claim.reclaim !== undefined)
  const state: LoanState = called.some((claim) => claim.reclaim!.deadlineMs <= nowMs)
    ? 'overdue'
    : called.length > 0
      ? 'called back'
      : 'lent'
  return { state, calledBack: called.reduce((sum, claim) => sum + amountOf(claim.vector, resource), 0) }
}

const idleOf = (tree: QuotaTree, project: Project, resource: number, loans: readonly Loan[]): AgedLoan[] => {
  const { ledger } = tree,
    { leaf, node } = project
  const lent = (fromPool: boolean) =>
    loans
      .filter((loan) => loan.lender === project.id && loan.fromPool === fromPool)
      .reduce((sum, loan) => sum + loan.amount, 0)
  const unused = positive(minus(ledger.visible(leaf, resource), ledger.counted(leaf, resource), Infinity))
  const own = Math.min(ledger.lendable(leaf, resource), unused) - lent(false),
    pool = leaf === node ? 0 : ledger.base(node, resource) - lent(true)
  const row = (amount: number, fromPool: boolean): AgedLoan => ({
    resource: tree.resources[resource]!,
    lender: project.id,
    fromPool,
    borrower: null,
    amount,
    state: 'idle',
    sinceMs: null,
    calledBack: 0,
  })
  return [row(own, false), row(pool, true)].filter(({ amount }) => amount > 0 && Number.isSafeInteger(amount))
}
