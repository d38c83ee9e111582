/** Gives back reservations that were neither committed nor cancelled in time. */
import { defineController } from '#platform/controllers/controller.ts'
import type { QuotaFront } from '../manager/front.ts'
import type { QuotaParts } from '../manager/parts.ts'
import { claimFetch, claimsExpired } from '../store/claims.ts'

export const expireReservations = (parts: QuotaParts, front: QuotaFront) =>
  defineController<string[], string>({
    name: 'quota.expire-reservations',
    about: 'Gives back reservations that were neither committed nor cancelled in time',
    wakesOn: [],
    everySeconds: 15,
    perPass: 200,
    observe: (limit) => claimsExpired(parts.db, parts.clock.now(), limit),
    plan: (subjects) => subjects,
    key: (subject) => subject,
    act: (subject) =>
      parts.db.transaction(async (tx) => {
        const claim = await claimFetch(tx, subject)
        if (!claim || claim.state !== 'reserved' || (claim.expiresAt ?? Infinity) > parts.clock.now()) return
        await front.cancel(tx, subject, 'expired')
      }),
  })
