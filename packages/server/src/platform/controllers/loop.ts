/** The loop of one controller: passes that wake-ups and timers ask for, and their steps, each key one at a time. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import { Backoff } from './backoff.ts'
import { keyOf } from './controller.ts'
import type { AnyController, ControllerError, ControllerStatus, PassResult } from './controller.ts'
import type { StepLeases } from './step-leases.ts'

export interface LoopOptions {
  controller: AnyController
  clock: Clock
  log: Log
  /** Absent in a single process: nobody else could act. */
  leases?: StepLeases
}

/** One pass on its way: it is over when it has been planned and none of its steps is left. */
interface Pass {
  result: PassResult
  startedAt: number
  open: number
  /** There is more to do than this pass took. */
  more: boolean
  wanted: ((result: PassResult) => void)[]
}

interface QueuedStep { key: string; step: unknown; pass: Pass }

const lastErrorsMax = 5
const loggedMax = 500
/** Passes that follow each other at once because there is more to do; then the timer has its turn. */
const followingMax = 1_000
const observing = 'observe'
/** An abort without a reason makes an exception with its stack, which nobody reads. */
const rescheduled = 'rescheduled'

export class ControllerLoop {
  readonly #controller: AnyController
  readonly #clock: Clock
  readonly #log: Log
  readonly #leases: StepLeases | undefined
  readonly #concurrency: number
  readonly #backoff = new Backoff()
  /** Wake-ups may come from inside somebody's transaction; passes must not inherit it. */
  readonly #outside = AsyncLocalStorage.snapshot()

  readonly #active = new Map<string, Promise<void>>()
  readonly #missed = new Set<string>()
  readonly #finished = new Set<string>()
  #queue: QueuedStep[] = []
  #looking: Promise<void> | undefined
  #pending = false
  #wanted: ((result: PassResult) => void)[] = []
  #started = false
  #stopped = false
  #following = 0
  #timer: AbortController | undefined
  #resting: AbortController | undefined

  #passes = 0
  #lastPassAt: number | undefined
  #lastTookMs: number | undefined
  #stepsDone = 0
  #stepsFailed = 0
  #lastErrors: ControllerError[] = []
  readonly #logged = new Set<string>()

  constructor({ controller, clock, log, leases }: LoopOptions) {
    this.#controller = controller
    this.#clock = clock
    this.#log = log.child({ controller: controller.name })
    this.#leases = leases
    this.#concurrency = controller.concurrency ?? 1
  }

  get name(): string { return this.#controller.name }

  /** True when nothing runs, nothing is queued and nothing was asked for. Keys in back-off do not count. */
  get idle(): boolean {
    const asked = this.#started && this.#pending
    return this.#looking === undefined && this.#queue.length === 0 && this.#active.size === 0 && !asked
  }

  start(): void {
    this.#started = true
    this.wake()
  }

  /** Waits for what runs; what is queued is left to the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.abort()
    this.#resting?.abort()
    await this.#looking
    const dropped = this.#queue.splice(0)
    for (const { pass } of dropped) this.#leave(pass)
    await this.#leases?.release(dropped.map(({ key }) => key))
    await Promise.all(this.#active.values())
  }

  wake(): void {
    this.#following = 0
    this.#askAgain()
  }

  /** One full pass, also when the loop was not started; resolves when its steps are over. */
  pass(): Promise<PassResult> {
    return new Promise((resolve) => {
      this.#wanted.push(resolve)
      this.#outside(() => this.#pump())
    })
  }

  status(): ControllerStatus {
    const { name, about, wakesOn, everySeconds } = this.#controller
    return {
      name, about, wakesOn, everySeconds,
      passes: this.#passes, lastPassAt: this.#lastPassAt, lastTookMs: this.#lastTookMs,
      stepsDone: this.#stepsDone, stepsFailed: this.#stepsFailed,
      waiting: this.#backoff.waiting(this.#clock.now()), running: this.#active.size, lastErrors: [...this.#lastErrors],
    }
  }

  #askAgain(): void {
    this.#pending = true
    this.#outside(() => this.#pump())
  }

  /** Starts a pass if one is due and could start a step: the world is looked at as late as possible. */
  #pump(): void {
    const free = this.#looking === undefined && this.#queue.length === 0 && this.#active.size < this.#concurrency
    if (!free || this.#stopped || !this.#isDue()) return
    this.#pending = false
    const wanted = this.#wanted.splice(0)
    const pass: Pass = { result: emptyResult(), startedAt: this.#clock.now(), open: 1, more: false, wanted }
    this.#looking = this.#look(pass).then(() => {
      this.#looking = undefined
      this.#leave(pass)
      this.#schedule()
      this.#fill()
      this.#pump()
    })
  }

  #isDue(): boolean {
    if (this.#wanted.length > 0) return true
    return this.#started && this.#pending && !this.#backoff.blocks(observing, this.#clock.now()) && !this.#rests()
  }

  /** True while it is too early for the next pass; the end of the rest asks again. */
  #rests(): boolean {
    const leftMs = (this.#lastPassAt ?? -Infinity) + (this.#controller.restMs ?? 0) - this.#clock.now()
    if (leftMs <= 0 || this.#resting !== undefined) return leftMs > 0
    const resting = new AbortController()
    this.#resting = resting
    void this.#clock.sleep(leftMs, resting.signal).then(() => {
      this.#resting = undefined
      this.#pump()
    })
    return true
  }

  async #look(pass: Pass): Promise<void> {
    this.#passes += 1
    this.#lastPassAt = pass.startedAt
    this.#finished.clear()
    this.#backoff.prune(pass.startedAt)
    try {
      const steps = await this.#chooseSteps(pass)
      this.#backoff.succeed(observing)
      for (const [key, step] of steps) this.#queue.push({ key, step, pass })
      pass.open += steps.size
    } catch (error) {
      this.#failed(observing, error, pass)
    }
  }

  async #chooseSteps(pass: Pass): Promise<Map<string, unknown>> {
    const chosen = await this.#plannedSteps(pass)
    if (this.#leases === undefined || chosen.size === 0) return this.#countSkipped(chosen, pass)
    const held = await this.#leases.acquire([...chosen.keys()])
    try {
      // Another process may have done a step between our look and our lease: only what is still planned is done.
      const again = held.size === 0 ? new Map<string, unknown>() : await this.#plannedSteps(pass)
      const steps = new Map([...again].filter(([key]) => held.has(key)))
      await this.#leases.release([...held].filter((key) => !steps.has(key)))
      return this.#countSkipped(steps, pass)
    } catch (error) {
      await this.#leases.release([...held])
      throw error
    }
  }

  #countSkipped(steps: Map<string, unknown>, pass: Pass): Map<string, unknown> {
    pass.result.skipped = pass.result.planned - steps.size
    return steps
  }

  /** Rows in back-off or at work come on top of the limit: they must not keep the others from being seen. */
  async #plannedSteps(pass: Pass): Promise<Map<string, unknown>> {
    const now = this.#clock.now()
    const { perPass } = this.#controller
    const world: unknown = await this.#controller.observe(perPass + this.#backoff.waiting(now) + this.#active.size)
    const planned: unknown[] = this.#controller.plan(world)
    const most = Math.min(perPass, this.#leases === undefined ? perPass : this.#concurrency - this.#active.size)
    const steps = new Map<string, unknown>()
    for (const step of planned) {
      const key = keyOf(this.#controller, step)
      if (this.#isBusy(key) || this.#backoff.blocks(key, now)) continue
      if (steps.has(key) || steps.size >= most) pass.more = true
      else steps.set(key, step)
    }
    if (planned.length >= perPass) pass.more = true
    pass.result.planned = planned.length
    return steps
  }

  /** A step that runs, or ended after we began to look, was planned on an old view: look again afterwards. */
  #isBusy(key: string): boolean {
    if (this.#active.has(key)) this.#missed.add(key)
    else if (this.#finished.has(key)) this.#pending = true
    else return false
    return true
  }

  #fill(): void {
    while (this.#queue.length > 0 && this.#active.size < this.#concurrency && !this.#stopped) {
      const next = this.#queue.shift() as QueuedStep
      this.#active.set(next.key, this.#run(next))
    }
  }

  async #run({ key, step, pass }: QueuedStep): Promise<void> {
    const keep = this.#leases?.keep(key)
    try {
      await this.#controller.act(step)
      this.#stepsDone += 1
      pass.result.done += 1
      this.#backoff.succeed(key)
    } catch (error) {
      this.#failed(key, error, pass)
      this.#schedule()
    }
    await keep?.end()
    this.#active.delete(key)
    this.#finished.add(key)
    if (this.#missed.delete(key)) this.#pending = true
    this.#leave(pass)
    this.#fill()
    this.#pump()
  }

  #failed(key: string, error: unknown, pass: Pass): void {
    const at = this.#clock.now()
    const message = error instanceof Error ? error.message : String(error)
    this.#stepsFailed += 1
    this.#backoff.fail(key, at)
    pass.result.failed += 1
    pass.result.errors.push({ at, key, message })
    this.#lastErrors = [{ at, key, message }, ...this.#lastErrors].slice(0, lastErrorsMax)
    this.#logOnce(key, message, error)
  }

  #logOnce(key: string, message: string, err: unknown): void {
    if (this.#logged.has(message)) return this.#log.debug({ key, reason: message }, 'A step failed again')
    if (this.#logged.size >= loggedMax) this.#logged.clear()
    this.#logged.add(message)
    this.#log.warn({ key, err }, 'A step failed; it is tried again later')
  }

  /** One part of the pass is over; with the last one, so is the pass. */
  #leave(pass: Pass): void {
    pass.open -= 1
    if (pass.open > 0) return
    pass.result.tookMs = this.#clock.now() - pass.startedAt
    this.#lastTookMs = pass.result.tookMs
    if (pass.more && pass.result.done > 0) this.#follow()
    for (const resolve of pass.wanted) resolve(pass.result)
  }

  #follow(): void {
    if (this.#following >= followingMax) return this.#log.warn('There is always more to do; the timer goes on with it')
    this.#following += 1
    this.#pending = true
  }

  /** One timer for the period and for the first key whose back-off ends. */
  #schedule(): void {
    if (!this.#started || this.#stopped) return
    this.#timer?.abort(rescheduled)
    const timer = new AbortController()
    this.#timer = timer
    const now = this.#clock.now()
    const periodAt = (this.#lastPassAt ?? now) + this.#controller.everySeconds * 1000
    const dueMs = Math.max(1, Math.min(periodAt, this.#backoff.nextAt(now) ?? periodAt) - now)
    void this.#clock.sleep(dueMs, timer.signal).then(() => { if (!timer.signal.aborted) this.wake() })
  }
}

const emptyResult = (): PassResult => ({ planned: 0, done: 0, failed: 0, skipped: 0, errors: [], tookMs: 0 })
