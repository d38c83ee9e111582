/** A happening and a waiting request as the API shows them, and moments as its clients give them. */
import { isoSeconds } from '#platform/clock/clock.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { WaitingAsk } from '../facade.ts'
import type { StoredHappening } from '../store/history.ts'

export const happeningView = (happening: StoredHappening) => ({
  id: happening.id,
  at: isoSeconds(happening.at),
  kind: happening.kind,
  project_id: happening.projectId,
  subject: happening.subject,
  amounts: happening.amounts,
  actor: happening.actor,
  times: happening.times,
  details: happening.details,
})

/** Milliseconds of an ISO 8601 moment; undefined of none. */
export const moment = (field: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const ms = Date.parse(text)
  if (Number.isFinite(ms)) return ms
  throw badRequest(`${field} must be a moment such as 2026-11-23T20:00:00Z, not "${text}".`, { field })
}

export const waitingView = ({ subject, projectId, deltas, since, expiresAt, position, gathered }: WaitingAsk) => ({
  position,
  project_id: projectId,
  subject,
  amounts: deltas,
  gathered,
  since: isoSeconds(since),
  expires_at: expiresAt === null ? null : isoSeconds(expiresAt),
})
