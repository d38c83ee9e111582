/** Takes back what projects use beyond their limits, where the policy says after how long. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Debts } from '../manager/debts.ts'

export const collectDebts = (debts: Debts) =>
  defineController<string[], string>({
    name: 'quota.collect-debts',
    about: 'Gives notice for what projects use beyond lowered limits for longer than their policy bears',
    wakesOn: ['quota.limits.changed', 'quota.policy.changed', 'quota.project.moved', 'quota.project.forgotten'],
    everySeconds: 10,
    perPass: 50,
    observe: (limit) => debts.unsettled(limit),
    plan: (projects) => projects,
    key: (project) => project,
    act: (project) => debts.settle(project),
  })
