/** Hangs projects where Keystone has them. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Move, Moves } from '../manager/owners-moves.ts'

export const followProjects = (moves: Moves) =>
  defineController<Move[], Move>({
    name: 'quota.follow-projects',
    about: 'Hangs projects where Keystone has them, with all that they hold',
    wakesOn: [],
    everySeconds: 120,
    perPass: 50,
    observe: async (limit) => (await moves.due()).slice(0, limit),
    plan: (due) => due,
    key: ({ id }) => id,
    act: (move) => moves.move(move),
  })
