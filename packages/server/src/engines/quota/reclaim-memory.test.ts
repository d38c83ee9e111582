/** Rule L, its cool-down and the hard stop, when every request meets an engine made anew from stored data. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { QuotaEngine } from './engine.ts'
import { afterReclaim, isForgettable, isOwnOnly, REMEMBERED_MS } from './reclaim-memory.ts'
import { exportState, importState } from './state.ts'
import type { QuotaState } from './state.ts'
import { playUntilRest } from './testing/closed-system.ts'
import type { Job } from './testing/closed-system.ts'
import { Lab } from './testing/lab.ts'
import { inf, plant } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { systems } from './testing/random-systems.ts'

const terms = { graceMs: 30_000, reclaimsMax: 3 }

test('the cool-down is ten graces and doubles; the last time is for good; a lineage of its own', () => {
  const once = afterReclaim('a', undefined, terms, 1_000)
  assert.deepEqual(once, { lineage: 'a', reclaims: 1, ownOnlyUntilMs: 301_000 })
  const twice = afterReclaim('a', once, terms, 2_000)
  assert.deepEqual(twice, { lineage: 'a', reclaims: 2, ownOnlyUntilMs: 602_000 })
  assert.deepEqual(afterReclaim('a', twice, terms, 3_000), { lineage: 'a', reclaims: 3, ownOnlyUntilMs: -1 })
})

test('a short grace does not make a short cool-down, and no number of times a time beyond counting', () => {
  assert.equal(afterReclaim('a', undefined, { ...terms, graceMs: 0 }, 0).ownOnlyUntilMs, 10_000)
  const often = { lineage: 'a', reclaims: 5_000, ownOnlyUntilMs: 0 }
  const again = afterReclaim('a', often, { graceMs: 120_000, reclaimsMax: 1e9 }, 0)
  assert.equal(again.ownOnlyUntilMs, 1_200_000 * 2 ** 20)
  assert.ok(Number.isSafeInteger(again.ownOnlyUntilMs))
})

test('it is own-only up to the end of its cool-down, forgotten a day later, and never when stopped for good', () => {
  const memory = { lineage: 'a', reclaims: 2, ownOnlyUntilMs: 5_000 }
  assert.deepEqual(
    [0, 4_999, 5_000].map((nowMs) => isOwnOnly(memory, nowMs)),
    [true, true, false],
  )
  assert.equal(isOwnOnly(undefined, 0), false)
  assert.equal(isForgettable(memory, 5_000 + REMEMBERED_MS - 1), false)
  assert.equal(isForgettable(memory, 5_000 + REMEMBERED_MS), true)
  assert.equal(afterReclaim('a', memory, terms, 5_000 + REMEMBERED_MS).reclaims, 1)
  const stopped = { ...memory, ownOnlyUntilMs: -1 }
  assert.deepEqual([isOwnOnly(stopped, 1e15), isForgettable(stopped, 1e15)], [true, false])
})

/** What a service does between two requests: everything goes to tables, and comes back from them. */
const stored = (engine: QuotaEngine, change: (state: QuotaState) => QuotaState = (state) => state): QuotaEngine =>
  importState(JSON.parse(JSON.stringify(change(exportState(engine)))) as QuotaState)

const borrows = { own: 0, borrow: inf }
const livelock = {
  R: {
    own: 6,
    children: {
      D: { borrow: inf, pool: 2, children: { d1: { ...borrows, tier: 1 }, d2: { ...borrows, tier: 2 } } },
      E: { borrow: inf, pool: 3, children: { e1: { own: 1, borrow: inf, tier: 1 }, e2: { ...borrows, tier: 2 } } },
    },
  },
}
const jobsOfLivelock: Job[] = (
  [
    ['e1', 5],
    ['d2', 2],
    ['d1', 5],
    ['e2', 2],
    ['e1', 5],
    ['d2', 2],
  ] as const
).map(([project, size]) => ({ project, amounts: { units: size }, priority: 0 }))
const systemOfLivelock = { plots: livelock, jobs: jobsOfLivelock }

test('H13 rests after five evictions when each request starts from stored data', () => {
  assert.equal(playUntilRest(systemOfLivelock, { resumed: (engine) => stored(engine) }).evictions, 5)
})

test('H13 never rests when what was reclaimed is forgotten between requests: the memory is what ends it', () => {
  const forgetful = (engine: QuotaEngine) => stored(engine, (state) => ({ ...state, histories: [] }))
  assert.throws(() => playUntilRest(systemOfLivelock, { resumed: forgetful }), /no rest after [1-9]\d{3,}/)
})

test('random closed systems end the same with an engine made anew for every request', () => {
  const jobs = { minLength: 5, maxLength: 20 }
  fc.assert(
    fc.property(systems({ sizes: [1, 2, 7], tiers: true, depthMax: 2, jobs }), (system) => {
      const kept = playUntilRest(system),
        anew = playUntilRest(system, { resumed: (engine) => stored(engine) })
      assert.equal(anew.evictions, kept.evictions)
      assert.deepEqual(exportState(anew.engine), exportState(kept.engine))
    }),
    propertyRuns(0.1),
  )
})

/** An owner and a borrower who comes back whenever there is room: each round costs the borrower its container. */
const seeSaw = (rounds: number, pauseMs: number) => {
  const lab = new Lab({
    P: { own: 1, children: { owner: { own: 1, borrow: inf }, guest: { own: 0, borrow: inf } } },
  })
  let { engine } = lab
  for (let round = 0; round < rounds; round++, lab.nowMs += pauseMs) {
    const guest = { id: `guest ${round}`, project: 'guest', amounts: { units: 1 }, lineage: 'guest' }
    engine = stored(engine)
    assert.equal(engine.claim({ ...guest, reclaimable: 'yes' }, lab.nowMs).state, 'reserved')
    engine = stored(engine)
    const owner = { id: `owner ${round}`, project: 'owner', amounts: { units: 1 }, whenFull: 'reclaim' as const }
    assert.equal(engine.claim(owner, lab.nowMs).state, 'reclaiming')
    engine = stored(engine)
    engine.release(guest.id, lab.nowMs)
    engine = stored(engine)
    engine.release(owner.id, lab.nowMs)
    engine.tick(lab.nowMs)
  }
  return engine.histories.get('guest')
}

test('after its project’s number of times a container is stopped for good, across as many requests', () => {
  assert.deepEqual(seeSaw(4, 60_000), { lineage: 'guest', reclaims: 4, ownOnlyUntilMs: 1_180_000 + 300_000 * 8 })
  assert.deepEqual(seeSaw(5, 60_000), { lineage: 'guest', reclaims: 5, ownOnlyUntilMs: -1 })
})

test('who is reclaimed less than once a day and cool-down is not stopped, and its record goes', () => {
  assert.equal(seeSaw(12, 2 * REMEMBERED_MS)?.reclaims, 1)
  const engine = new QuotaEngine(plant({ P: { own: 1 } }))
  engine.histories.set('old', { lineage: 'old', reclaims: 1, ownOnlyUntilMs: 1_000 })
  engine.tick(1_000 + REMEMBERED_MS)
  assert.equal(engine.histories.size, 0)
})

test('who is stopped for good still starts where there is room, and takes back what its project owns', () => {
  const lab = new Lab({
    P: { pool: 1, children: { T: { own: 1, borrow: inf }, U: { own: 0, borrow: inf, tier: 2 } } },
  })
  lab.engine.histories.set('t', { lineage: 't', reclaims: 9, ownOnlyUntilMs: -1 })
  lab.startMany('U', 2)
  assert.equal(lab.ask('T', 2, { lineage: 't' }), 'NO_RIGHT at P')
  assert.equal(lab.ask('T', 1, { lineage: 't' }), 'ok, evicts U-1 by owner')
  lab.stop('U', 1)
  assert.equal(lab.ask('T', 1, { lineage: 't' }), 'ok')
})
