/** Runs the controllers of one process: wakes them, times them, stops them, and shows what they did. */
import type { Bus, Subscription } from '#platform/bus/bus.ts'
import { systemClock } from '#platform/clock/clock.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { Log } from '#platform/log/log.ts'
import type { AnyController, ControllerStatus, PassResult } from './controller.ts'
import { createLeases } from './leases.ts'
import { ControllerLoop } from './loop.ts'
import { StepLeases } from './step-leases.ts'

export interface RunnerOptions {
  controllers: readonly AnyController[]
  db: Database
  bus: Bus
  clock: Clock
  log: Log
  /** Names this process in leases; no other live process may have the same. */
  owner: string
  /** True when other processes run the same controllers on the same database. Default false. */
  leases?: boolean
  /** How long `stop` waits for running steps. Default 10 s. */
  stopTimeoutMs?: number
}

export interface Runner {
  /** Subscribes to the wake-ups and makes a first full pass of each controller. */
  start(): void
  stop(): Promise<void>
  wake(name: string): void
  status(): ControllerStatus[]
  /** One full observe, plan and act of one controller; also without `start`. */
  pass(name: string): Promise<PassResult>
  /** Resolves when a full pass of every controller finds nothing to do; keys in back-off do not count. Else throws. */
  settle(timeoutMs: number): Promise<void>
}

export function createRunner(options: RunnerOptions): Runner {
  return new ControllerRunner(options)
}

class ControllerRunner implements Runner {
  readonly #options: RunnerOptions
  readonly #loops: Map<string, ControllerLoop>
  #subscriptions: Subscription[] = []

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#loops = new Map(options.controllers.map((controller) => [controller.name, this.#loopOf(controller)]))
    if (this.#loops.size < options.controllers.length) throw new Error('Two controllers have the same name')
  }

  start(): void {
    for (const { name, wakesOn } of this.#options.controllers) {
      for (const pattern of wakesOn) {
        this.#subscriptions.push(this.#options.bus.subscribe(pattern, () => this.wake(name)))
      }
    }
    for (const loop of this.#loops.values()) loop.start()
  }

  async stop(): Promise<void> {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe()
    const { clock, log, stopTimeoutMs = 10_000 } = this.#options
    const ended = new AbortController()
    const late = clock.sleep(stopTimeoutMs, ended.signal).then(() => {
      if (!ended.signal.aborted) {
        log.warn({ controllers: this.#busy() }, 'Steps still run at the end; the next start takes them up again')
      }
    })
    await Promise.race([Promise.all([...this.#loops.values()].map((loop) => loop.stop())), late])
    ended.abort()
  }

  wake(name: string): void { this.#loop(name).wake() }

  status(): ControllerStatus[] { return [...this.#loops.values()].map((loop) => loop.status()) }

  pass(name: string): Promise<PassResult> { return this.#loop(name).pass() }

  async settle(timeoutMs: number): Promise<void> {
    const ended = new AbortController()
    const late = systemClock.sleep(timeoutMs, ended.signal).then(() => {
      if (!ended.signal.aborted) throw new Error(`Not settled within ${timeoutMs} ms: ${this.#unsettled()}`)
    })
    try {
      await Promise.race([this.#untilQuiet(ended.signal), late])
    } finally {
      ended.abort()
    }
  }

  /** Wake-ups carry nothing, so a round in which no controller finds work is the end, whatever is still on the bus. */
  async #untilQuiet(signal: AbortSignal): Promise<void> {
    for (;;) {
      const results = await Promise.all([...this.#loops.values()].map((loop) => loop.pass()))
      const quiet = results.every(({ done, failed }) => done === 0 && failed === 0)
      if (signal.aborted || (quiet && this.#busy().length === 0)) return
      await new Promise(setImmediate)
    }
  }

  #busy(): string[] { return [...this.#loops.values()].filter((loop) => !loop.idle).map(({ name }) => name) }

  #unsettled(): string {
    const active = this.status().filter(({ running, lastErrors }) => running > 0 || lastErrors.length > 0)
    const shown = active.map(({ name, running, waiting, lastErrors: [last] }) =>
      `${name} (${running} running, ${waiting} waiting${last === undefined ? '' : `, last error: ${last.message}`})`)
    return shown.length === 0 ? `busy: ${this.#busy().join(', ') || 'each pass finds new work'}` : shown.join('; ')
  }

  #loop(name: string): ControllerLoop {
    const loop = this.#loops.get(name)
    if (loop === undefined) {
      throw new Error(`There is no controller "${name}"; there are ${[...this.#loops.keys()].join(', ')}`)
    }
    return loop
  }

  #loopOf(controller: AnyController): ControllerLoop {
    const { db, clock, log, owner, leases } = this.#options
    const stepLeases = leases === true
      ? new StepLeases({ leases: createLeases({ db, clock }), controller: controller.name, owner, clock, log })
      : undefined
    return new ControllerLoop({ controller, clock, log, leases: stepLeases })
  }
}
