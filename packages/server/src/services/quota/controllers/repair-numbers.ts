/** Recounts every tree from its claims and puts right what differs, saying so. */
import { defineController } from '#platform/controllers/controller.ts'
import { driftOf, repair } from '../manager/audit.ts'
import type { QuotaParts } from '../manager/parts.ts'

export const repairNumbers = (parts: QuotaParts) =>
  defineController<string[], string>({
    name: 'quota.repair-numbers',
    about: 'Recounts every tree from its claims and puts right what differs',
    wakesOn: [],
    everySeconds: 300,
    perPass: 50,
    observe: (limit) => driftOf(parts.db, limit),
    plan: (roots) => roots,
    key: (root) => root,
    act: (root) => repair(parts, root),
  })
