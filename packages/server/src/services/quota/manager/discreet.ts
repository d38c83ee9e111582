/** What a caller may know: numbers and names of their own project and of those below it, of nobody else. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Explanation } from '#engines/quota/explain.ts'
import { maySee } from '#engines/quota/kilo.ts'
import type { AgedLoan } from '#engines/quota/loan-ages.ts'
import type { QuotaRefusal } from '#engines/quota/refusals.ts'
import type { QuotaTree } from '#engines/quota/tree.ts'

type Caller = Pick<RequestContext, 'isAdmin' | 'projectId'>

/** Whether the caller may know of a project, or of its own leaf below its children. */
export const seenBy =
  (tree: QuotaTree, { isAdmin, projectId }: Caller) =>
  (node: string): boolean =>
    isAdmin || maySee(tree, projectId, node.replace(/\/self$/, ''))

type Sees = ReturnType<typeof seenBy>

export const discreetLoan =
  (sees: Sees) =>
  (loan: AgedLoan): AgedLoan => ({
    ...loan,
    lender: sees(loan.lender) ? loan.lender : 'another',
    borrower: loan.borrower === null || sees(loan.borrower) ? loan.borrower : 'another',
  })

export const discreetExplanation = (answer: Explanation, sees: Sees): Explanation => ({
  ...answer,
  refusal: answer.refusal && (sees(answer.refusal.node) ? answer.refusal : without(answer.refusal)),
  levels: answer.levels.filter((level) => sees(level.project)),
  victims: answer.victims.map((victim) =>
    sees(victim.project) ? victim : { ...victim, claim: 'another', project: 'another' },
  ),
})

const without = (refusal: QuotaRefusal): QuotaRefusal => ({
  ...refusal,
  node: 'ancestor',
  limit: -1,
  used: 0,
  reserved: 0,
  heldBy: [],
  remedy: 'Ask who administers it for more.',
})
