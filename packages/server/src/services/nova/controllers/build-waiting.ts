/** `nova.build-waiting`: builds servers whose quota was granted while they waited, and gives up those in vain. */
import type { Bus } from '#platform/bus/bus.ts'
import type { OutboxEvent } from '#platform/bus/outbox-relay.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { isOwnSubject } from '../manager/quota-words.ts'
import type { WaitingServers, WaitingSight } from '../manager/waiting-servers.ts'

/** `lost`: quota neither holds nor promises anything for it any more. */
export interface WaitingStep {
  do: 'share' | 'build' | 'lost'
  subject: string
}

const everySeconds = 5
/** A process that runs no controllers hears of everything and looks at nothing. */
const toldMax = 10_000
const topics = ['quota.waiting.granted', 'quota.waiting.expired', 'nova.waiting.due']

const stepOf = ({ subject, standing }: WaitingSight): WaitingStep => {
  if (standing === undefined) return { do: 'lost', subject }
  return { do: isOwnSubject(subject) ? 'build' : 'share', subject }
}

/** Looks at those that were told of first; the periodic pass looks at everybody, so that a lost word costs seconds. */
class Lookout {
  readonly #waiting: WaitingServers
  readonly #clock: Clock
  readonly #told = new Set<string>()
  #before: string[] = []
  #sweptAt = -Infinity
  constructor(waiting: WaitingServers, { clock, bus }: { clock: Clock; bus: Bus }) {
    this.#waiting = waiting
    this.#clock = clock
    for (const topic of topics) bus.subscribe(topic, (event) => this.#hear(event as OutboxEvent))
  }

  observe(limit: number): Promise<WaitingSight[]> {
    const told = this.#take(limit)
    const now = this.#clock.now()
    if (told.length > 0 && now - this.#sweptAt < everySeconds * 1000) return this.#waiting.look(told)
    this.#sweptAt = now
    return this.#waiting.sweep(limit)
  }

  /** With those of the look before: one that was at work then may have been passed over. */
  #take(limit: number): string[] {
    const fresh = [...this.#told].slice(0, limit)
    for (const subject of fresh) this.#told.delete(subject)
    const taken = [...new Set([...fresh, ...this.#before])]
    this.#before = fresh
    return taken
  }

  #hear({ payload }: OutboxEvent): void {
    const { subject } = payload as { subject?: unknown }
    if (typeof subject === 'string' && this.#told.size < toldMax) this.#told.add(subject)
  }
}

export const buildWaitingController = (
  waiting: WaitingServers,
  parts: { clock: Clock; bus: Bus },
): Controller<WaitingSight[], WaitingStep> => {
  const lookout = new Lookout(waiting, parts)
  return defineController<WaitingSight[], WaitingStep>({
    name: 'nova.build-waiting',
    about:
      'Builds servers whose quota was granted while they waited, and ends those that wait in vain with the reason.',
    wakesOn: [...topics, 'quota.project.forgotten'],
    everySeconds,
    perPass: 200,
    observe: (limit) => lookout.observe(limit),
    plan: (sights) => sights.map(stepOf),
    act: (step) => waiting[step.do](step.subject),
    key: (step) => step.subject,
    concurrency: 4,
  })
}
