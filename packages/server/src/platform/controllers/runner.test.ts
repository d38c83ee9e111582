/** The runner: wake-ups coalesce, keys never overlap, failures back off, limits follow on, stopping waits. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Bus } from '#platform/bus/bus.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { openDatabase } from '#platform/db/database.ts'
import { silentLog } from '#platform/log/log.ts'
import { defineController } from './controller.ts'
import type { AnyController } from './controller.ts'
import { createRunner } from './runner.ts'
import type { Runner, RunnerOptions } from './runner.ts'

/** Crates to move: what is wanted and not yet moved is planned. */
class Yard {
  readonly wanted: string[] = []
  readonly moved: string[] = []
  readonly limits: number[] = []
  readonly inFlight = new Set<string>()
  most = 0
  overlaps = 0
  observes = 0
  broken = new Set<string>()
  /** Crates whose move waits until it is opened. */
  readonly gates = new Map<string, PromiseWithResolvers<void>>()
  #arrivals: { crate: string; resolve: () => void }[] = []

  gate(crate: string): PromiseWithResolvers<void> {
    const gate = Promise.withResolvers<void>()
    this.gates.set(crate, gate)
    return gate
  }

  /** Resolves when the move of `crate` has begun. */
  begun(crate: string): Promise<void> {
    return new Promise((resolve) => { this.#arrivals.push({ crate, resolve }) })
  }

  controller(settings: Partial<AnyController> = {}): AnyController {
    return defineController<string[], string>({
      name: 'yard.move-crates', about: 'Moves every wanted crate', wakesOn: ['yard.>'], everySeconds: 60, perPass: 10,
      observe: async (limit) => {
        this.observes += 1
        this.limits.push(limit)
        return this.wanted.filter((crate) => !this.moved.includes(crate)).slice(0, limit)
      },
      plan: (world) => world,
      act: (crate) => this.#move(crate),
      key: (crate) => crate,
      ...settings,
    })
  }

  async #move(crate: string): Promise<void> {
    if (this.inFlight.has(crate)) this.overlaps += 1
    this.inFlight.add(crate)
    this.most = Math.max(this.most, this.inFlight.size)
    for (const { resolve } of this.#arrivals.filter((arrival) => arrival.crate === crate)) resolve()
    await this.gates.get(crate)?.promise
    this.inFlight.delete(crate)
    if (this.broken.has(crate)) throw new Error(`Crate ${crate} is stuck`)
    this.moved.push(crate)
  }
}

describe('runner', () => {
  let db: Database
  let bus: Bus
  let clock: ManualClock
  let yard: Yard
  let runners: Runner[]
  beforeEach(async () => {
    db = await openDatabase({ url: 'sqlite::memory:' })
    bus = createMemoryBus()
    clock = new ManualClock()
    yard = new Yard()
    runners = []
  })
  afterEach(async () => {
    for (const gate of yard.gates.values()) gate.resolve()
    await Promise.all(runners.map((runner) => runner.stop()))
    await bus.close()
    await db.close()
  })

  const run = (controller: AnyController, options: Partial<RunnerOptions> = {}): Runner => {
    const runner = createRunner(
      { controllers: [controller], db, bus, clock, log: silentLog, owner: 'test', ...options },
    )
    runners.push(runner)
    return runner
  }
  const name = 'yard.move-crates'
  const settle = (runner: Runner) => runner.settle(5_000)
  /** Lets everything that is ready run. */
  const turn = async () => { for (let n = 0; n < 5; n++) await new Promise(setImmediate) }

  test('the first pass is a full one, without any event', async () => {
    yard.wanted.push('a', 'b')
    const runner = run(yard.controller())
    runner.start()
    await settle(runner)
    assert.deepEqual(yard.moved, ['a', 'b'])
  })

  test('an event wakes it; so does the period', async () => {
    const runner = run(yard.controller())
    runner.start()
    await settle(runner)
    yard.wanted.push('by event')
    const moving = yard.begun('by event')
    bus.publish('yard.crate.wanted', {})
    await moving
    await turn()
    yard.wanted.push('by time')
    const movingLater = yard.begun('by time')
    clock.advance(60_000)
    await movingLater
    await turn()
    assert.deepEqual(yard.moved, ['by event', 'by time'])
  })

  test('a controller that rests sees to all wake-ups of its rest in one pass at its end', async () => {
    const runner = run({ ...yard.controller(), restMs: 200 })
    runner.start()
    await turn()
    yard.wanted.push('a')
    const moving = yard.begun('a')
    for (let n = 0; n < 5; n++) {
      runner.wake(name)
      await turn()
    }
    assert.equal(yard.observes, 1)
    clock.advance(200)
    await moving
    await turn()
    assert.deepEqual([yard.observes, yard.moved], [2, ['a']])
  })

  test('many wake-ups during a pass make exactly one more', async () => {
    yard.wanted.push('a')
    const gate = yard.gate('a')
    const runner = run(yard.controller())
    const moving = yard.begun('a')
    runner.start()
    await moving
    for (let n = 0; n < 20; n++) runner.wake(name)
    gate.resolve()
    await turn()
    assert.equal(yard.observes, 2)
  })

  test('one failing step does not stop the others; it is tried again after 1 s, 2 s, 4 s', async () => {
    yard.wanted.push('bad', 'good')
    yard.broken.add('bad')
    const runner = run(yard.controller())
    const first = await runner.pass(name)
    assert.deepEqual([first.done, first.failed, first.errors[0]?.message], [1, 1, 'Crate bad is stuck'])
    const outcomes: number[] = []
    for (const pauseMs of [999, 1, 1_999, 1, 3_999, 1]) {
      clock.advance(pauseMs)
      outcomes.push((await runner.pass(name)).failed)
    }
    assert.deepEqual(outcomes, [0, 1, 0, 1, 0, 1])
    yard.broken.clear()
    clock.advance(300_000)
    assert.equal((await runner.pass(name)).done, 1)
    assert.equal(runner.status()[0]?.waiting, 0)
  })

  test('the end of a back-off wakes it by itself', async () => {
    yard.wanted.push('bad')
    yard.broken.add('bad')
    const runner = run(yard.controller())
    runner.start()
    await settle(runner)
    yard.broken.clear()
    const again = yard.begun('bad')
    clock.advance(1_000)
    await again
    await turn()
    assert.deepEqual(yard.moved, ['bad'])
  })

  test('while one step takes long, the period and the back-off of the others go on', async () => {
    yard.wanted.push('slow', 'bad')
    yard.gate('slow')
    yard.broken.add('bad')
    const runner = run(yard.controller({ concurrency: 2 }))
    const moving = yard.begun('bad')
    runner.start()
    await moving
    await turn()
    yard.broken.clear()
    const again = yard.begun('bad')
    clock.advance(1_000)
    await again
    await turn()
    const { passes } = runner.status()[0] ?? { passes: 0 }
    clock.advance(60_000)
    await turn()
    assert.equal(runner.status()[0]?.passes, passes + 1)
    assert.deepEqual(yard.moved, ['bad'])
  })

  test('rows that always fail do not hide the rows behind them', async () => {
    yard.wanted.push('bad1', 'bad2', 'good1', 'good2')
    for (const crate of ['bad1', 'bad2']) yard.broken.add(crate)
    const runner = run(yard.controller({ perPass: 2 }))
    await runner.pass(name)
    const second = await runner.pass(name)
    assert.deepEqual([second.done, second.skipped], [2, 2])
    assert.deepEqual(yard.moved, ['good1', 'good2'])
  })

  test('a pass that reaches its limit is followed at once by another', async () => {
    yard.wanted.push(...Array.from({ length: 25 }, (_, n) => `crate${n}`))
    const runner = run(yard.controller({ perPass: 10 }))
    runner.start()
    await turn()
    assert.deepEqual(yard.moved, yard.wanted)
    assert.deepEqual([...new Set(yard.limits)], [10])
  })

  test('keys run side by side up to the concurrency, and never twice at once', async () => {
    yard.wanted.push('slow', ...Array.from({ length: 12 }, (_, n) => `crate${n}`))
    const gate = yard.gate('slow')
    const runner = run(yard.controller({ concurrency: 4, perPass: 5 }))
    const moving = yard.begun('slow')
    runner.start()
    await moving
    for (let n = 0; n < 10; n++) {
      runner.wake(name)
      await turn()
    }
    assert.equal(yard.moved.length, 12, 'the slow one keeps nobody waiting')
    assert.equal(runner.status()[0]?.running, 1)
    gate.resolve()
    await settle(runner)
    assert.equal(yard.moved.filter((crate) => crate === 'slow').length, 1)
    assert.equal(yard.overlaps, 0)
    assert.ok(yard.most <= 4, `${yard.most} at once`)
  })

  test('a step that ends while the world is looked at is not done again on the old view', async () => {
    yard.wanted.push('a', 'b')
    const gates = { a: yard.gate('a'), look: Promise.withResolvers<void>() }
    const base = yard.controller({ concurrency: 2 })
    let looks = 0
    const looking = Promise.withResolvers<void>()
    const slowLook: AnyController = {
      ...base,
      observe: async (limit) => {
        const world: unknown = await base.observe(limit)
        if (++looks === 2) { looking.resolve(); await gates.look.promise }
        return world
      },
    }
    const runner = run(slowLook)
    const moving = yard.begun('a')
    runner.start()
    await moving
    await turn()
    runner.wake(name)
    await looking.promise
    gates.a.resolve()
    await turn()
    gates.look.resolve()
    await settle(runner)
    assert.deepEqual(yard.moved.sort(), ['a', 'b'])
  })

  test('a world that cannot be seen is an error with a back-off, and not the end', async () => {
    yard.wanted.push('a')
    let blind = true
    const base = yard.controller()
    const runner = run({
      ...base,
      observe: async (limit) => {
        if (blind) throw new Error('fog')
        return await base.observe(limit) as unknown
      },
    })
    runner.start()
    await turn()
    assert.equal(runner.status()[0]?.lastErrors[0]?.message, 'fog')
    runner.wake(name)
    await turn()
    assert.equal(runner.status()[0]?.passes, 1, 'it waits before it looks again')
    blind = false
    const moving = yard.begun('a')
    clock.advance(1_000)
    await moving
  })

  test('stop waits for the running step and starts no other', async () => {
    yard.wanted.push('a', 'b')
    const gate = yard.gate('a')
    const runner = run(yard.controller())
    const moving = yard.begun('a')
    runner.start()
    await moving
    let stopped = false
    const stopping = runner.stop().then(() => { stopped = true })
    await turn()
    assert.equal(stopped, false)
    gate.resolve()
    await stopping
    assert.deepEqual(yard.moved, ['a'])
    bus.publish('yard.more', {})
    await turn()
    assert.deepEqual(yard.moved, ['a'])
  })

  test('stop does not wait for ever', async () => {
    yard.wanted.push('stuck')
    yard.gate('stuck')
    const runner = run(yard.controller())
    const moving = yard.begun('stuck')
    runner.start()
    await moving
    const stopping = runner.stop()
    await turn()
    clock.advance(10_000)
    await stopping
  })

  test('a wake-up from inside a transaction does not run inside it', async () => {
    const base = yard.controller()
    const runner = run({ ...base, act: (step: string) => db.transaction(async () => { await base.act(step) }) })
    yard.wanted.push('a')
    const moving = yard.begun('a')
    await db.transaction(async () => { void runner.pass(name); await turn() })
    await moving
    await settle(runner)
    assert.deepEqual(yard.moved, ['a'])
    assert.deepEqual(runner.status()[0]?.lastErrors, [])
  })

  test('status tells what it did', async () => {
    yard.wanted.push('a', 'bad')
    yard.broken.add('bad')
    const runner = run(yard.controller())
    await runner.pass(name)
    const [status] = runner.status()
    assert.deepEqual(status, {
      name, about: 'Moves every wanted crate', wakesOn: ['yard.>'], everySeconds: 60,
      passes: 1, lastPassAt: clock.now(), lastTookMs: 0, stepsDone: 1, stepsFailed: 1, waiting: 1, running: 0,
      lastErrors: [{ at: clock.now(), key: 'bad', message: 'Crate bad is stuck' }],
    })
  })

  test('settle says who is not settled', async () => {
    yard.wanted.push('a')
    yard.gate('a')
    const runner = run(yard.controller())
    await assert.rejects(runner.settle(30), /Not settled within 30 ms: yard\.move-crates \(1 running/)
  })

  test('an unknown controller, and a name used twice, are refused', () => {
    assert.throws(() => run(yard.controller())
      .wake('nobody'), /There is no controller "nobody"; there are yard.move-crates/)
    assert.throws(() => createRunner(
      { controllers: [yard.controller(), yard.controller()], db, bus, clock, log: silentLog, owner: 'x' },
    ), /same name/)
    assert.throws(() => yard.controller({ name: 'Not a name' }), /must look like/)
  })
})
