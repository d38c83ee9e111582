/** Follows the engine's events for ever: reconnects by itself, and says when some may have been missed. */
import type { Readable } from 'node:stream'
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import { labels, type EngineEvent } from '#services/workloads/ports.ts'
import type { EngineClient } from './engine-client.ts'

interface RawEvent {
  Type: string
  Action: string
  timeNano: number
  Actor: { ID: string; Attributes?: Record<string, string> }
}

const pauseMinMs = 100
const pauseMaxMs = 5_000
const types = ['container', 'image', 'daemon'] as const

export class EngineEvents {
  readonly #client: EngineClient
  readonly #options: { cloudId: string; clock: Clock; log: Log }

  constructor(client: EngineClient, options: { cloudId: string; clock: Clock; log: Log }) {
    this.#client = client
    this.#options = options
  }

  /** Returns when the signal aborts. */
  async watch(listener: (event: EngineEvent) => void, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    for (let pauseMs = pauseMinMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, pauseMaxMs)) {
      try {
        await this.#follow((event) => { pauseMs = pauseMinMs; listener(event) }, signal)
      } catch (error) {
        if (signal.aborted) return
        log.warn({ err: error }, 'The engine\'s events were lost; asking again')
      }
      this.#client.forgetVersion()
      await clock.sleep(pauseMs, signal)
    }
  }

  /** `resync` is said only once the stream is open, so that nothing falls between it and the first event. */
  async #follow(listener: (event: EngineEvent) => void, signal: AbortSignal): Promise<void> {
    const query = { filters: JSON.stringify({ type: types }) }
    const { body } = await this.#client.open('GET', '/events', { query, signal })
    listener({ kind: 'daemon', action: 'resync', atMs: this.#options.clock.now() })
    for await (const line of linesOf(body)) {
      const event = this.#eventOf(JSON.parse(line) as RawEvent)
      if (event) listener(event)
    }
  }

  /** Foreign containers and the noise of execs and health checks are left out. */
  #eventOf({ Type, Action, Actor, timeNano }: RawEvent): EngineEvent | undefined {
    const kind = types.find((type) => type === Type)
    const attributes = Actor.Attributes ?? {}
    if (!kind || Action.startsWith('exec_')) return undefined
    const atMs = Math.floor(timeNano / 1e6)
    if (kind !== 'container') return { kind, action: Action, atMs }
    if (attributes[labels.cloud] !== this.#options.cloudId) return undefined
    const exitCode = attributes['exitCode'] === undefined ? undefined : Number(attributes['exitCode'])
    return { kind, action: Action, atMs, containerId: Actor.ID, workloadId: attributes[labels.workload], exitCode }
  }
}

async function* linesOf(body: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of body.setEncoding('utf8')) {
    const lines = (rest + (chunk as string)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines.filter((line) => line.trim() !== '')
  }
}
