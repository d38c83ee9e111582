/** What those who were told to end are told for: what an owner asked back, or what a project uses beyond its limits. */
import type { Executor } from '#platform/db/database.ts'
import type { Amounts } from '../facade.ts'
import { claimFetch } from '../store/claims.ts'
import { debtsKnown, debtsOwed } from '../store/debts.ts'
import { ticketFetch } from '../store/tickets.ts'
import type { StoredTicket } from '../store/tickets.ts'
import { less } from './amounts-asked.ts'
import { debtorOf, holdSubject } from './grown-tree.ts'

export interface Wanted {
  /** The resources that a ticket is about. */
  names: string[]
  /** Those of them of which it has not got enough yet. */
  missing: string[]
}

/** Nothing, of a ticket that has ended. */
export const wantedFor = async (executor: Executor, ticket: string): Promise<Wanted> => {
  const debtor = debtorOf(ticket)
  if (debtor !== undefined) return owedBy(executor, debtor)
  const stored = await ticketFetch(executor, ticket),
    hold = stored && (await claimFetch(executor, holdSubject(ticket)))
  return stored ? wantedBy(stored, hold?.amounts ?? {}) : { names: [], missing: [] }
}

/** Of a ticket for which so much is held. */
export const wantedBy = ({ amounts }: Pick<StoredTicket, 'amounts'>, held: Amounts): Wanted => ({
  names: Object.keys(amounts),
  missing: Object.keys(less(amounts, held)),
})

const owedBy = async (executor: Executor, debtor: string): Promise<Wanted> => {
  const called = (await debtsKnown(executor, debtor)).filter((debt) => debt.called !== null)
  const names = called.map(({ resource }) => resource),
    owed = new Set((await debtsOwed(executor, debtor)).map(({ resource }) => resource))
  return { names, missing: names.filter((name) => owed.has(name)) }
}
