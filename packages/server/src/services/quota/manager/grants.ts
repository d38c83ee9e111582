/** A claim, as whoever asked for it and the history are told of it, and what was granted last. */
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

const projectsMax = 10_000

/**
 * Whether a project was last granted what is lent, or what it has privately: what is worth asking first. Of one that is
 * new here, as whoever was before it. A guess that decides nothing.
 */
export class GrantsLately {
  readonly #lent = new Map<string, boolean>()
  #last = false

  isLent({ projectId }: StoredClaim): boolean {
    return this.#lent.get(projectId) ?? this.#last
  }

  note({ projectId }: StoredClaim, isLent: boolean): void {
    if (this.#lent.size >= projectsMax) this.#lent.clear()
    this.#lent.set(projectId, isLent)
    this.#last = isLent
  }
}
