/** Serves those who wait when something else than a release makes room, and gives up who is out of time. */
import { defineController } from '#platform/controllers/controller.ts'
import type { QuotaFront } from '../manager/front.ts'
import type { QuotaParts } from '../manager/parts.ts'

export const serveWaiting = (parts: QuotaParts, { waitingLine }: QuotaFront) =>
  defineController<string[], string>({
    name: 'quota.serve-waiting',
    about: 'Grants requests that wait as capacity returns, in fair order, and gives up those out of time',
    wakesOn: ['quota.limits.changed', 'quota.project.forgotten', 'quota.reclaim.gathered'],
    everySeconds: 5,
    perPass: 50,
    observe: (limit) => waitingLine.roots(limit),
    plan: (roots) => roots,
    key: (root) => root,
    act: (root) => parts.db.transaction((tx) => waitingLine.serve(tx, root)),
  })
