/** Several resources at once, in random trees with numbers of their own for each: the same invariants hold. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { audit } from './state.ts'
import { playUntilRest } from './testing/closed-system.ts'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'
import { assertMinimal, assertRights, eachPlan, owed } from './testing/plans.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { crowded, systems } from './testing/random-systems.ts'

const two = { resources: ['cpu', 'mem'], tiers: true, ceilings: true, sizes: [1, 2, 3, 5] }
const three = { ...two, ...crowded, resources: ['cpu', 'mem', 'gpu'], sizes: [1, 2, 4] }

for (const [name, options, share] of [
  ['two', two, 1],
  ['three', three, 0.3],
] as const) {
  test(`${name} resources: closed systems come to rest with no owner kept from its own`, () => {
    fc.assert(
      fc.property(systems(options), (system) => {
        const rest = playUntilRest(system)
        assert.deepEqual(owed(rest), [])
        assert.equal(audit(rest.engine), undefined)
      }),
      propertyRuns(share),
    )
  })

  test(`${name} resources: a plan has no victim too many`, () => {
    fc.assert(
      fc.property(systems(options), (system) => void eachPlan(system, assertMinimal)),
      propertyRuns(share),
    )
  })

  test(`${name} resources: each victim’s right holds by definition`, () => {
    fc.assert(
      fc.property(systems(options), (system) => void eachPlan(system, assertRights)),
      propertyRuns(share),
    )
  })
}

const none = { own: 0, borrow: inf }

test('what a neighbour in the group has borrowed of one resource keeps nobody from its own of another', () => {
  const lab = new Lab(
    {
      R: {
        children: {
          D: { borrow: inf, children: { owner: { own: 2, borrow: inf }, neighbour: none } },
          E: none,
          lender: { of: { cpu: { own: 0 }, mem: { own: 5 } } },
          full: { of: { cpu: { own: 20 }, mem: { own: 0 } } },
        },
      },
    },
    ['cpu', 'mem'],
  )
  lab.start('full', { cpu: 20 })
  lab.start('neighbour', { mem: 3 })
  lab.startMany('E', 2, { cpu: 1 })
  assert.equal(lab.ask('owner', { cpu: 2, mem: 2 }), 'ok, evicts E-1 E-1 by owner')
  assert.match(lab.ask('owner', { cpu: 1, mem: 1 }), /^NO_RIGHT/)
})

test('what is contested highest comes first: whoever may be taken there frees what is missing below, too', () => {
  const lab = new Lab(
    {
      R: {
        of: { cpu: { own: 4, pool: 4 }, mem: { own: 10, pool: 8 } },
        children: {
          D: {
            of: { cpu: { own: 0, borrow: inf }, mem: { own: 2, borrow: 0 } },
            children: { S: { of: { cpu: { own: 0 }, mem: { own: 2 } }, borrow: inf }, C: none },
          },
        },
      },
    },
    ['cpu', 'mem'],
  )
  lab.startMany('S', 2, { cpu: 2, mem: 1 })
  assert.equal(lab.ask('C', { mem: 1 }), 'CEILING at D')
  assert.equal(lab.ask('C', { cpu: 1, mem: 1 }), 'ok, evicts S-2 by share')
})
