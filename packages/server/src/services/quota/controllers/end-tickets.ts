/** Ends tickets whose owner did not come back: the hold is free again, and who has not ended yet may stay. */
import { defineController } from '#platform/controllers/controller.ts'
import type { QuotaFront } from '../manager/front.ts'
import type { QuotaParts } from '../manager/parts.ts'
import { ticketFetch } from '../store/tickets.ts'

export const endTickets = (parts: QuotaParts, { reclaim }: QuotaFront) =>
  defineController<string[], string>({
    name: 'quota.end-tickets',
    about: 'Ends reclaims whose owner did not come back for what was gathered',
    wakesOn: [],
    everySeconds: 30,
    perPass: 100,
    observe: (limit) => reclaim.expired(limit),
    plan: (projects) => projects,
    key: (project) => project,
    act: (project) =>
      parts.db.transaction(async (tx) => {
        const ticket = await ticketFetch(tx, project)
        if (!ticket || ticket.expiresAt > parts.clock.now()) return
        await reclaim.redeem(tx, project)
        await reclaim.end(tx, project)
      }),
  })
