/** Reclaim in closed, contended systems: it ends, owners get their own, victims are few, useful and permitted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { QuotaEngine } from './engine.ts'
import { playUntilRest } from './testing/closed-system.ts'
import type { Job } from './testing/closed-system.ts'
import { satisfiable } from './testing/flow-oracle.ts'
import { inf, plant } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { judged, randomPlots } from './testing/random-plots.ts'

interface System {
  plots: Record<string, Plot>
  jobs: Job[]
}

const systems = (sizes: readonly number[], options = { tiers: true }): fc.Arbitrary<System> =>
  fc
    .record({
      plots: randomPlots(options),
      jobs: fc.array(fc.record({ at: fc.nat(1000), size: fc.constantFrom(...sizes), priority: fc.nat(2) }), {
        minLength: 2,
        maxLength: 30,
      }),
    })
    .map(({ plots, jobs }) => {
      const projects = [...plant(plots).projects].map((project) => project.id)
      return { plots, jobs: jobs.map(({ at, ...job }) => ({ ...job, project: projects[at % projects.length]! })) }
    })

const samePriority = (system: System): System => ({
  ...system,
  jobs: system.jobs.map((job) => ({ ...job, priority: 0 })),
})

const fitsOwn = (engine: QuotaEngine, job: Job): boolean => {
  const { tree } = engine
  let project: ReturnType<typeof tree.find> | null = tree.project(job.project)
  const leafOwn = tree.ledger.base(project.leaf, 0)
  if (tree.ledger.counted(project.leaf, 0) + job.size > leafOwn) return false
  for (; project; project = project.parent) {
    if (tree.ledger.subtree(project.node, 0) + job.size > project.holdings[0]!.own) return false
  }
  return true
}

for (const sizes of [[1], [1, 2, 3, 5], [2, 7], [1, 4, 9]]) {
  test(`containers of sizes ${sizes.join(', ')}: closed systems come to rest with no owner kept from its own`, () => {
    fc.assert(
      fc.property(systems(sizes), (system) => {
        const { engine, pending } = playUntilRest(system.plots, system.jobs)
        for (const job of pending)
          assert.ok(!fitsOwn(engine, job), `${job.name} of ${job.project} is owed ${job.size}`)
      }),
      propertyRuns(0.25),
    )
  })
}

test('at rest with unit containers everything that could be used is used', () => {
  fc.assert(
    fc.property(systems([1]), (system) => {
      const { engine, pending } = playUntilRest(system.plots, system.jobs)
      const { tree } = engine
      const wanted = new Map<number, number>()
      for (const project of tree.projects) wanted.set(project.leaf, tree.ledger.counted(project.leaf, 0))
      for (const job of pending)
        wanted.set(tree.project(job.project).leaf, wanted.get(tree.project(job.project).leaf)! + 1)
      const used = [...tree.projects].reduce((sum, project) => sum + tree.ledger.counted(project.leaf, 0), 0)
      assert.equal(used, satisfiable(judged(tree, (leaf) => wanted.get(leaf) ?? 0)))
    }),
    propertyRuns(0.25),
  )
})

test('at rest with unit containers everybody is within two units of what they deserve', () => {
  fc.assert(
    fc.property(systems([1]).map(samePriority), (system) => {
      const { engine, pending } = playUntilRest(system.plots, system.jobs)
      const waiting = new Map<ReturnType<typeof engine.tree.project>, number>()
      for (const job of pending) {
        const project = engine.tree.project(job.project)
        waiting.set(project, (waiting.get(project) ?? 0) + 1)
      }
      const deserved = engine.deserved(0, waiting)
      for (const { leaf, id } of engine.tree.projects) {
        const distance = Math.abs(engine.tree.ledger.counted(leaf, 0) - deserved.at(leaf))
        assert.ok(
          distance <= 2,
          `${id} uses ${engine.tree.ledger.counted(leaf, 0)} and deserves ${deserved.at(leaf)}`,
        )
      }
    }),
    propertyRuns(0.25),
  )
})

test('a plan has no victim too many, and every victim frees what is contested', () => {
  fc.assert(
    fc.property(systems([1, 2, 3, 5]), (system) => {
      playUntilRest(system.plots, system.jobs, {
        decided: (engine, job, outcome) => {
          if (outcome.state !== 'reclaiming') return
          const {
            tree: { ledger, ...tree },
            tickets,
            book,
          } = engine
          void tree
          const ticket = tickets.find(outcome.claim)
          if (!ticket) return
          const missing = job.size - ticket.held[0]!,
            { leaf } = ticket.project
          const victims = outcome.notices.map((notice) => book.find(notice.claim)!)
          const shift = (sign: 1 | -1) => {
            for (const victim of victims) ledger.apply(victim.project.leaf, 0, sign * victim.vector.amounts[0]!)
          }
          shift(-1)
          assert.ok(ledger.fits(leaf, 0, missing))
          for (const victim of victims) {
            ledger.apply(victim.project.leaf, 0, victim.vector.amounts[0]!)
            assert.ok(!ledger.fits(leaf, 0, missing), 'one victim too many')
            ledger.apply(victim.project.leaf, 0, -victim.vector.amounts[0]!)
          }
          shift(1)
        },
      })
    }),
    propertyRuns(0.25),
  )
})

test('share reclaim leaves the victim’s side at least its own; owner reclaim takes only from debtors', () => {
  fc.assert(
    fc.property(systems([1, 2, 3, 5]), (system) => {
      let before = new Map<number, number>()
      playUntilRest(system.plots, system.jobs, {
        decided: (engine, job, outcome) => {
          const { tree, book } = engine,
            { ledger } = tree,
            notices = outcome.state === 'reclaiming' ? outcome.notices : []
          for (const [index, notice] of notices.entries()) {
            const victim = book.find(notice.claim)!,
              mine = tree.project(job.project).leaf
            if (notice.right === 'priority') assert.equal(victim.project.leaf, mine)
            else
              assert.ok(
                (before.get(victim.project.leaf) ?? 0) > ledger.visible(victim.project.leaf, 0),
                'only who is beyond its own pays',
              )
            if (notice.right !== 'share') continue
            // What its owner takes from it afterwards, in the same plan, may overshoot by less than a container.
            const taken = notices.slice(0, index + 1).filter((other) => other.project === notice.project)
            const units = taken.reduce((sum, other) => sum + book.find(other.claim)!.vector.amounts[0]!, 0)
            const left = (before.get(victim.project.leaf) ?? 0) - units
            assert.ok(left >= ledger.visible(victim.project.leaf, 0), 'a share reclaim went below own')
          }
          before = new Map([...tree.projects].map((project) => [project.leaf, ledger.counted(project.leaf, 0)]))
          for (const notice of notices) {
            const victim = book.find(notice.claim)!
            before.set(victim.project.leaf, before.get(victim.project.leaf)! - victim.vector.amounts[0]!)
          }
          const claimant = tree.project(job.project).leaf
          if (outcome.state === 'reclaiming')
            before.set(
              claimant,
              ledger.counted(claimant, 0) + job.size - (engine.tickets.find(outcome.claim)?.held[0] ?? 0),
            )
        },
      })
    }),
    propertyRuns(0.25),
  )
})

test('a plan of all three rights: by share while beyond its own, by priority, then as an owner', () => {
  const plots = {
    r: { children: { owner: { own: 5, borrow: inf }, other: { own: 6, lend: 1, borrow: 3 } }, selfSettings: {} },
  }
  const taken: [string, number][] = []
  const jobs = [
    { project: 'other', size: 3, priority: 0 },
    { project: 'other', size: 1, priority: 0 },
    { project: 'owner', size: 1, priority: 0 },
    { project: 'other', size: 5, priority: 1 },
    { project: 'r', size: 1, priority: 0 },
    { project: 'owner', size: 5, priority: 1 },
  ]
  playUntilRest(plots, jobs, {
    decided: ({ book }, _job, outcome) => {
      if (outcome.state === 'reclaiming' && taken.length === 0)
        taken.push(
          ...outcome.notices.map(({ claim, right }): [string, number] => [
            right,
            book.find(claim)!.vector.amounts[0]!,
          ]),
        )
    },
  })
  assert.deepEqual(taken, [
    ['share', 1],
    ['priority', 1],
    ['owner', 3],
  ])
})

test('the same system played twice gives the same evictions and the same state', () => {
  fc.assert(
    fc.property(systems([1, 2, 3, 5]), (system) => {
      const first = playUntilRest(system.plots, system.jobs),
        second = playUntilRest(system.plots, system.jobs)
      assert.equal(first.evictions, second.evictions)
      assert.deepEqual(first.engine.tree.ledger.snapshot(0), second.engine.tree.ledger.snapshot(0))
    }),
    propertyRuns(0.1),
  )
})
