/** A claim, as whoever asked for it and the history are told of it. */
import type { Reservation } from '../facade.ts'
import type { StoredClaim } from '../store/claims.ts'

export const grantOf = ({ projectId, subject, amounts }: StoredClaim) =>
  ({ kind: 'granted', projectId, subject, amounts }) as const

export const reservationOf = ({ subject, projectId, amounts, state }: StoredClaim): Reservation => ({
  subject,
  projectId,
  deltas: amounts,
  state,
})
