/** What those who were told to end are told for: what an owner asked back, or what a project uses beyond its limits. */
import type { Executor } from '#platform/db/database.ts'
import { claimFetch } from '../store/claims.ts'
import { debtsKnown, debtsOwed } from '../store/debts.ts'
import { ticketFetch } from '../store/tickets.ts'
import { debtorOf, holdSubject } from './grown-tree.ts'

/** The resources that a ticket is about. */
export const wantedFor = async (executor: Executor, ticket: string): Promise<string[]> => {
  const debtor = debtorOf(ticket)
  if (debtor === undefined) return Object.keys((await ticketFetch(executor, ticket))?.amounts ?? {})
  return (await debtsKnown(executor, debtor)).filter(({ called }) => called !== null).map(({ resource }) => resource)
}

/** Those of them of which it has not got enough yet. */
export const missingFor = async (executor: Executor, ticket: string): Promise<string[]> => {
  const debtor = debtorOf(ticket)
  if (debtor === undefined) return notGathered(executor, ticket)
  const owed = new Set((await debtsOwed(executor, debtor)).map(({ resource }) => resource))
  return (await wantedFor(executor, ticket)).filter((name) => owed.has(name))
}

const notGathered = async (executor: Executor, projectId: string): Promise<string[]> => {
  const ticket = await ticketFetch(executor, projectId),
    hold = await claimFetch(executor, holdSubject(projectId))
  return Object.entries(ticket?.amounts ?? {})
    .filter(([name, amount]) => amount > (hold?.amounts[name] ?? 0))
    .map(([name]) => name)
}
