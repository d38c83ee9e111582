/** Who waits is served as if everybody in line had been asked in the engine's order on the whole tree. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { propertyRuns } from '#engines/quota/testing/property-runs.ts'
import type { QuotaTree } from '#engines/quota/tree.ts'
import { nextInLine } from '#engines/quota/waiting.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { claimFetch } from '../store/claims.ts'
import { waitingGathering, waitingOfRoot } from '../store/waiting.ts'
import type { StoredWaiting } from '../store/waiting.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'
import { growTree, waitingHold } from './grown-tree.ts'

const groups = ['g1', 'g2']
const leaves = ['l1', 'l2', 'l3', 'l4', 'l5']
const groupOf = (leaf: string): string => groups[leaves.indexOf(leaf) % groups.length]!
const asking = [...leaves, 'g1', 'org']

const holding = fc.record({
  own: fc.integer({ min: 0, max: 3 }),
  lend: fc.constantFrom(-1, 0, 1),
  borrow: fc.constantFrom(-1, -1, 2),
  weight: fc.integer({ min: 0, max: 3 }),
  tier: fc.integer({ min: 1, max: 2 }),
})
const plot = fc.record({
  groups: fc.array(holding, { minLength: groups.length, maxLength: groups.length }),
  leaves: fc.array(holding, { minLength: leaves.length, maxLength: leaves.length }),
  disks: fc.integer({ min: 1, max: 6 }),
})
const move = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      by: fc.constantFrom(...asking),
      cores: fc.integer({ min: 0, max: 6 }),
      disks: fc.integer({ min: 0, max: 2 }),
      priority: fc.integer({ min: 0, max: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ end: fc.nat() }) },
)

type Value<A> = A extends fc.Arbitrary<infer T> ? T : never
type Planted = Value<typeof plot>
type Move = Value<typeof move>

const plant = async (bench: QuotaBench, { groups: above, leaves: below, disks }: Planted) => {
  await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 30 })
  await bench.front.ensureResource({ name: 'disks', service: 'storage', defaultLimit: disks })
  const shared = { own: 0, pool: 0, borrow: -1 }
  for (const [index, projectId] of groups.entries())
    await bench.front.setLimits({
      projectId,
      limits: { cores: { ...above[index]!, own: 10, pool: 1 }, disks: shared },
    })
  for (const [index, projectId] of leaves.entries())
    await bench.front.setLimits({ projectId, limits: { cores: below[index]!, disks: shared } })
  await bench.front.setLimits({ projectId: 'org', limits: { cores: { pool: 5 }, disks: { pool: disks } } })
}

interface Served {
  granted: string[]
  gathered: Record<string, Record<string, number>>
}

const waiterOf = (tree: QuotaTree, asked: StoredWaiting) => ({
  id: asked.subject,
  leaf: tree.project(asked.projectId).leaf,
  vector: {
    resources: Object.keys(asked.amounts).map((name) => tree.resourceNumber(name)!),
    amounts: Object.values(asked.amounts),
  },
  priority: asked.priority,
  sinceMs: asked.since,
  asked,
})

/** Everybody, one after the other, on the whole tree: what the quick way must come to as well. */
const expected = async ({ db }: QuotaBench, ended: string): Promise<Served> => {
  const engine = await growTree(db, 'org'),
    { tree } = engine
  for (const subject of [ended, ...(await waitingGathering(db, 'org')).map(waitingHold)]) engine.release(subject, 0)
  let left = (await waitingOfRoot(db, 'org', 1000))
    .filter(({ subject }) => subject !== ended)
    .map((asked) => waiterOf(tree, asked))
  const served: Served = { granted: [], gathered: {} }
  for (let hasFirst = false; left.length > 0;) {
    const next = nextInLine(tree, left)!
    const { leaf, vector, asked } = next
    left = left.filter((one) => one !== next)
    const isGranted = engine.fits(leaf, vector)
    const room = vector.amounts.map((amount, index) =>
      Math.min(amount, tree.ledger.available(leaf, vector.resources[index]!)),
    )
    if (isGranted) served.granted.push(asked.subject)
    else if (hasFirst) continue
    hasFirst ||= !isGranted
    vector.resources.forEach((resource, index) => tree.ledger.apply(leaf, resource, room[index]!))
    const kept = Object.keys(asked.amounts).map((name, index) => [name, room[index]!] as const)
    if (!isGranted && room.some((amount) => amount > 0))
      served.gathered[asked.subject] = Object.fromEntries(kept.filter(([, amount]) => amount > 0))
  }
  return served
}

const actual = async ({ db }: QuotaBench, before: readonly StoredWaiting[]): Promise<Served> => {
  const after = new Set((await waitingOfRoot(db, 'org', 1000)).map(({ subject }) => subject))
  const gathered: Served['gathered'] = {}
  for (const subject of await waitingGathering(db, 'org'))
    gathered[subject] = (await claimFetch(db, waitingHold(subject)))!.amounts
  return { granted: before.map(({ subject }) => subject).filter((subject) => !after.has(subject)), gathered }
}

const play = async (bench: QuotaBench, moves: readonly Move[]) => {
  const living: string[] = []
  for (const [number, one] of moves.entries()) {
    bench.clock.advance(1)
    if ('end' in one) {
      const subject = living.splice(one.end % Math.max(1, living.length), 1)[0]
      if (subject === undefined) continue
      const before = (await waitingOfRoot(bench.db, 'org', 1000)).filter((asked) => asked.subject !== subject)
      const right = await expected(bench, subject)
      await bench.db.transaction((tx) => bench.front.cancel(tx, subject))
      const served = await actual(bench, before)
      assert.deepEqual({ ...served, granted: served.granted.sort() }, { ...right, granted: right.granted.sort() })
    } else if (await isTaken(bench, one, `ask ${number}`)) living.push(`ask ${number}`)
  }
}

const isTaken = async (
  bench: QuotaBench,
  { by, priority, ...deltas }: Extract<Move, { by: string }>,
  subject: string,
) => {
  try {
    await bench.db.transaction((tx) =>
      bench.front.reserve(tx, { projectId: by, deltas, subject, priority, whenFull: 'wait' }),
    )
    return true
  } catch (error) {
    if (isRefusal(error)) return false
    throw error
  }
}

for (const database of testDatabases()) {
  describe(`the order of those who wait on ${database.name}`, () => {
    test('after any history a release serves whom the engine’s order on the whole tree would', async () => {
      await fc.assert(
        fc.asyncProperty(plot, fc.array(move, { minLength: 10, maxLength: 50 }), async (planted, moves) => {
          const tree = Object.fromEntries(leaves.map((leaf) => [leaf, groupOf(leaf)]))
          const bench = await openQuota(database, { org: null, g1: 'org', g2: 'org', ...tree })
          try {
            await plant(bench, planted)
            await play(bench, moves)
            await assertNoDrift(bench.db)
          } finally {
            await bench.db.close()
          }
        }),
        propertyRuns(0.02),
      )
    })
  })
}
