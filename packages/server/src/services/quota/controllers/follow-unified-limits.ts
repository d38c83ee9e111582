/** Makes Keystone's unified limits the limits that requests meet, as soon as they change. */
import { defineController } from '#platform/controllers/controller.ts'
import type { UnifiedLimits, UnifiedStep } from '../manager/unified-limits/unified-limits.ts'

export const followUnifiedLimits = (unified: UnifiedLimits) =>
  defineController<UnifiedStep[], UnifiedStep>({
    name: 'quota.follow-unified-limits',
    about: "Makes Keystone's registered limits and limits the ones that requests meet",
    wakesOn: ['keystone.limits.changed'],
    everySeconds: 60,
    perPass: 200,
    observe: async (limit) => (await unified.differences()).slice(0, limit),
    plan: (steps) => steps,
    key: ({ projectId, resource }) => `${projectId ?? 'default'} ${resource}`,
    act: (step) => unified.apply(step),
  })
