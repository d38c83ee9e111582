/** `nova.build-waiting`: builds servers whose quota was granted while they waited, and gives up those in vain. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { isOwnSubject } from '../manager/quota-words.ts'
import type { WaitingServers, WaitingSight } from '../manager/waiting-servers.ts'

/** `lost`: quota neither holds nor promises anything for it any more. */
export interface WaitingStep {
  do: 'share' | 'build' | 'lost'
  subject: string
}

const stepOf = ({ subject, standing }: WaitingSight): WaitingStep => {
  if (standing === undefined) return { do: 'lost', subject }
  return { do: isOwnSubject(subject) ? 'build' : 'share', subject }
}

export const buildWaitingController = (waiting: WaitingServers): Controller<WaitingSight[], WaitingStep> =>
  defineController<WaitingSight[], WaitingStep>({
    name: 'nova.build-waiting',
    about:
      'Builds servers whose quota was granted while they waited, and ends those that wait in vain with the reason.',
    wakesOn: ['quota.waiting.granted', 'quota.waiting.expired', 'quota.project.forgotten', 'nova.waiting.due'],
    everySeconds: 5,
    perPass: 200,
    observe: (limit) => waiting.toLookAt(limit),
    plan: (sights) => sights.map(stepOf),
    act: (step) => waiting[step.do](step.subject),
    key: (step) => step.subject,
    concurrency: 4,
  })
