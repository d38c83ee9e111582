/** Recounts usage from the rows that own it, and puts right what differs, saying so. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Drift, Owners } from '../manager/owners.ts'

export const recountRows = (owners: Owners) =>
  defineController<Drift[], Drift>({
    name: 'quota.recount-rows',
    about: 'Recounts usage from the rows that own it and puts right what differs',
    wakesOn: [],
    everySeconds: 120,
    perPass: 100,
    observe: (limit) => owners.drifts(limit),
    plan: (drifts) => drifts,
    key: ({ prefix, key }) => prefix + key,
    act: (drift) => owners.repair(drift),
  })
