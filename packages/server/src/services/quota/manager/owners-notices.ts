/** Notices as those who hold what is lent must act on them: until when, how, and for want of what. */
import type { Executor } from '#platform/db/database.ts'
import type { ReclaimNotice } from '../facade.ts'
import { claimFetch, claimsNoticed } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { projectFetch } from '../store/projects.ts'
import { policyAlong } from './owners-policy.ts'
import type { OnReclaim } from './owners-policy.ts'
import { wantedFor } from './wanted.ts'
import type { Wanted } from './wanted.ts'

export const noticesOf = async (executor: Executor): Promise<ReclaimNotice[]> =>
  noticesFor(executor, await claimsNoticed(executor))

export const noticeOf = async (executor: Executor, subject: string): Promise<ReclaimNotice | undefined> => {
  const claim = await claimFetch(executor, subject)
  return claim?.ticket ? (await noticesFor(executor, [claim]))[0] : undefined
}

const noticesFor = async (executor: Executor, claims: readonly StoredClaim[]): Promise<ReclaimNotice[]> => {
  const wantedBy = new Map<string, Promise<Wanted>>(),
    ends = new Map<string, Promise<OnReclaim>>()
  const notices: ReclaimNotice[] = []
  for (const { subject, projectId, deadlineAt, ticket } of claims) {
    const wanted = remembered(wantedBy, ticket!, (one) => wantedFor(executor, one))
    const onReclaim = remembered(ends, projectId, (project) => onReclaimOf(executor, project))
    const [{ missing }, end] = [await wanted, await onReclaim]
    const who = { subject, projectId, claimant: ticket! }
    notices.push({ ...who, deadlineAt: deadlineAt ?? 0, onReclaim: end, wanted: missing })
  }
  return notices
}

const remembered = <V>(known: Map<string, V>, key: string, make: (key: string) => V): V => {
  const value = known.get(key) ?? make(key)
  known.set(key, value)
  return value
}

const onReclaimOf = async (executor: Executor, projectId: string): Promise<OnReclaim> => {
  const project = await projectFetch(executor, projectId)
  return project ? (await policyAlong(executor, project)).onReclaim : 'delete'
}
