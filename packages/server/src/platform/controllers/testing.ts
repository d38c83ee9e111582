/** The four tests of every controller: does it; does it twice; dies after each step; two at once do no double work. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { systemClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { silentLog } from '#platform/log/log.ts'
import { keyOf } from './controller.ts'
import type { AnyController } from './controller.ts'
import { createRunner } from './runner.ts'
import type { RunnerOptions } from './runner.ts'

/** A fresh world with work in it. */
export interface ControllerBench {
  /** Migrated with `migrate`, for the leases of two runners. */
  db: Database
  /** Builds the controller anew over this world, as a process that starts does: nothing may be kept in memory. */
  controller(): AnyController
  /** Fails unless the world is what the controller is there to make it. */
  assertDone(): Promise<void>
  /** What was done to the outside world, one name per effect. A name that appears twice is double work. */
  effects(): string[]
  /**
   * Optional: makes the outside world's effect number `n` (from 1) happen and then throw, once, as if the process died
   * before it could write the result down. Adds a fifth test.
   */
  dieAfterEffect?(n: number): void
  close(): Promise<void>
}

export interface ControllerCase {
  name: string
  make(): Promise<ControllerBench>
  /** Steps until nothing is left to do, at most; beyond it the controller does not converge. Default 100. */
  stepsMax?: number
  settleMs?: number
}

export function controllerSuite({ name, make, stepsMax = 100, settleMs = 20_000 }: ControllerCase): void {
  const withBench = (work: (bench: ControllerBench) => Promise<void>) => async () => {
    const bench = await make()
    try {
      await work(bench)
    } finally {
      await bench.close()
    }
  }

  describe(`controller ${name}`, () => {
    test('does it', withBench(async (bench) => {
      assert.ok(await converge(bench.controller(), stepsMax) > 0, 'the bench must have work in it')
      await bench.assertDone()
      assertOnce(bench.effects())
    }))

    test('does it twice: the second time there is nothing to do', withBench(async (bench) => {
      await converge(bench.controller(), stepsMax)
      const effects = bench.effects()
      assert.deepEqual(await planned(bench.controller()), [])
      assert.deepEqual(bench.effects(), effects, 'observe and plan change nothing')
      await bench.assertDone()
    }))

    test('dies after each step, and the next process finishes it', async () => {
      const steps = await countSteps(make, stepsMax)
      for (let survived = 1; survived <= steps; survived++) {
        await withBench((bench) => dieAfterStep(bench, survived, stepsMax))()
      }
    })

    test('dies between each effect and its record, and the next process finishes it', async (t) => {
      const effects = await countEffects(make, stepsMax)
      if (effects === undefined) return t.skip('the bench cannot die in the middle of a step')
      for (let n = 1; n <= effects; n++) await withBench((bench) => dieAfterEffect(bench, n, stepsMax))()
    })

    test('two runners at once do no double work', withBench(async (bench) => {
      const runners = ['near', 'far'].map((owner) => createRunner(runnerOptions(bench, owner, bench.controller())))
      for (const runner of runners) runner.start()
      await Promise.all(runners.map((runner) => runner.settle(settleMs)))
      await Promise.all(runners.map((runner) => runner.stop()))
      assert.deepEqual(runners.flatMap((runner) => runner.status()).flatMap(({ lastErrors }) => lastErrors), [])
      await bench.assertDone()
      assertOnce(bench.effects())
    }))

    test('a runner does not act on what it saw before another did the work', withBench(async (bench) => {
      const othersDone = Promise.withResolvers<void>()
      const late = createRunner(runnerOptions(bench, 'late', withOldView(bench.controller(), othersDone.promise)))
      const pass = late.pass(bench.controller().name)
      const quick = createRunner(runnerOptions(bench, 'quick', bench.controller()))
      await quick.settle(settleMs)
      othersDone.resolve()
      const { done, failed, errors } = await pass
      assert.deepEqual({ done, failed, errors }, { done: 0, failed: 0, errors: [] })
      await Promise.all([late.stop(), quick.stop()])
      await bench.assertDone()
      assertOnce(bench.effects())
    }))
  })
}

/** The first look is taken now, but comes back only when `released`. */
function withOldView(controller: AnyController, released: Promise<void>): AnyController {
  let first = true
  return {
    ...controller,
    observe: async (limit) => {
      const world: unknown = await controller.observe(limit)
      if (first) { first = false; await released }
      return world
    },
  }
}

const runnerOptions = (bench: ControllerBench, owner: string, controller: AnyController): RunnerOptions => ({
  controllers: [controller], db: bench.db, bus: createMemoryBus(), clock: systemClock, log: silentLog, owner,
  leases: true,
})

const planned = async (controller: AnyController): Promise<unknown[]> =>
  controller.plan(await controller.observe(controller.perPass))

/** Observes anew before every step, as the slowest of processes would; returns the number of steps. */
async function converge(controller: AnyController, stepsMax: number): Promise<number> {
  for (let steps = 0; ; steps++) {
    const [step] = await planned(controller)
    if (step === undefined) return steps
    assert.ok(steps < stepsMax, `not done after ${stepsMax} steps; the next one is ${keyOf(controller, step)}`)
    await controller.act(step)
  }
}

async function dieAfterStep(bench: ControllerBench, survived: number, stepsMax: number): Promise<void> {
  const dying = bench.controller()
  for (let steps = 0; steps < survived; steps++) {
    const [step] = await planned(dying)
    if (step !== undefined) await dying.act(step)
  }
  await converge(bench.controller(), stepsMax)
  await bench.assertDone()
  assertOnce(bench.effects())
}

async function dieAfterEffect(bench: ControllerBench, n: number, stepsMax: number): Promise<void> {
  bench.dieAfterEffect?.(n)
  const died = await converge(bench.controller(), stepsMax).then(() => false, () => true)
  if (died) await converge(bench.controller(), stepsMax)
  await bench.assertDone()
}

async function countSteps(make: () => Promise<ControllerBench>, stepsMax: number): Promise<number> {
  const bench = await make()
  try {
    return await converge(bench.controller(), stepsMax)
  } finally {
    await bench.close()
  }
}

async function countEffects(make: () => Promise<ControllerBench>, stepsMax: number): Promise<number | undefined> {
  const bench = await make()
  try {
    if (bench.dieAfterEffect === undefined) return undefined
    await converge(bench.controller(), stepsMax)
    return bench.effects().length
  } finally {
    await bench.close()
  }
}

function assertOnce(effects: string[]): void {
  const twice = effects.filter((effect, at) => effects.indexOf(effect) !== at)
  assert.deepEqual(twice, [], 'done more than once')
}
