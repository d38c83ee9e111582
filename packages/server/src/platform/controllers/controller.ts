/** What a controller is: a value that says how to see the world, what to do about it, and how to do one step. */

/**
 * `observe` reads; `plan` is pure; `act` does one idempotent thing and writes its result down before it returns.
 * Wake-ups carry nothing, so that a controller loses nothing when the process dies.
 */
export interface Controller<World, Step> {
  /** `nova.build-server`: the service, then the loop. */
  name: string
  /** One sentence: what it makes true. */
  about: string
  /** Bus patterns; any message wakes the controller. */
  wakesOn: string[]
  /** The period of passes that nothing woke. */
  everySeconds: number
  /** Steps of one pass at most; `observe` gets it as its limit. */
  perPass: number
  observe(limit: number): Promise<World>
  plan(world: World): Step[]
  act(step: Step): Promise<void>
  /** Steps with different keys that run at the same time, at most. Default 1. */
  concurrency?: number
  /** Wake-ups ask for a pass this long after the last one began, at the earliest. Default 0: at once. */
  restMs?: number
  /** What the step is about, usually a row's id: two steps of one key never run at once. Default: the step as JSON. */
  key?(step: Step): string
}

/** A controller whose world and step are its own business. */
export type AnyController = Controller<any, any>

const namePattern = /^[a-z0-9-]+(\.[a-z0-9-]+)*$/

export function defineController<World, Step>(controller: Controller<World, Step>): Controller<World, Step> {
  const { name, everySeconds, perPass, concurrency = 1 } = controller
  if (!namePattern.test(name)) throw new Error(`Controller name "${name}" must look like nova.build-server`)
  if (everySeconds <= 0 || perPass < 1 || concurrency < 1) {
    throw new Error(`Controller ${name}: everySeconds must be above 0, perPass and concurrency at least 1`)
  }
  return controller
}

export const keyOf = <Step>(controller: Controller<unknown, Step>, step: Step): string =>
  controller.key === undefined ? JSON.stringify(step) : controller.key(step)

/** What people see of a running controller: `GET /admin/controllers`, the operator's CLI, the dashboard. */
export interface ControllerStatus {
  name: string
  about: string
  wakesOn: string[]
  everySeconds: number
  passes: number
  /** Milliseconds since the epoch. */
  lastPassAt?: number
  lastTookMs?: number
  stepsDone: number
  stepsFailed: number
  /** Keys that failed and wait for their next try. */
  waiting: number
  /** Steps that run now. */
  running: number
  /** The newest first, five at most. */
  lastErrors: ControllerError[]
}

export interface ControllerError { at: number; key: string; message: string }

/** What one pass came to. */
export interface PassResult {
  planned: number
  done: number
  failed: number
  /** Planned, but in back-off, running already, owned by another process, or beyond `perPass`. */
  skipped: number
  errors: ControllerError[]
  tookMs: number
}
