/** Ends tickets whose owner did not come back, or is gone: the hold is free again, and who has not ended may stay. */
import { defineController } from '#platform/controllers/controller.ts'
import type { QuotaFront } from '../manager/front.ts'
import type { QuotaParts } from '../manager/parts.ts'
import { projectFetch } from '../store/projects.ts'
import { ticketFetch } from '../store/tickets.ts'

export const endTickets = (parts: QuotaParts, { reclaim }: QuotaFront) =>
  defineController<string[], string>({
    name: 'quota.end-tickets',
    about: 'Ends reclaims whose owner did not come back for what was gathered, or is gone',
    wakesOn: ['quota.project.forgotten'],
    everySeconds: 30,
    perPass: 100,
    observe: (limit) => reclaim.expired(limit),
    plan: (projects) => projects,
    key: (project) => project,
    act: (project) =>
      parts.db.transaction(async (tx) => {
        const ticket = await ticketFetch(tx, project)
        if (!ticket || (ticket.expiresAt > parts.clock.now() && (await projectFetch(tx, project)))) return
        await reclaim.redeem(tx, project)
        await reclaim.end(tx, project)
      }),
  })
