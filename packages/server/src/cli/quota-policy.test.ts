/** Policies in people's words, and the past as a table that fits where it is shown. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { historyLines, waitingLines } from './quota-history.ts'
import { durationText, policyOf, policyRows } from './quota-policy.ts'
import { fitted } from './quota-tables.ts'

test('settings are read by their names, durations with their units', () => {
  assert.deepEqual(policyOf(['grace=90s', 'graceMax=2m', 'onReclaim=stop', 'waits=yes', 'reclaimsMax=3']), {
    ...{ graceMs: 90_000, graceMaxMs: 120_000, onReclaim: 'stop' },
    ...{ waitsForMinRuntime: true, reclaimsMax: 3 },
  })
})

for (const [word, problem] of [
  ['grace=90', /duration such as 30s/],
  ['onReclaim=explode', /one of delete, stop/],
  ['waits=maybe', /yes or no/],
  ['reclaimsMax=0', /1 or more/],
  ['colour=red', /nothing that can be set.*reclaim, grace/],
  ['grace', /nothing that can be set/],
] as const) {
  test(`"${word}" is refused with what would be right`, () => {
    assert.throws(() => policyOf([word]), problem)
  })
}

test('how long a debt is borne is a duration, or for ever, and told as such', () => {
  assert.deepEqual(['shrink=10m', 'shrink=never'].map((word) => policyOf([word])), [
    { shrinkAfterMs: 600_000 },
    { shrinkAfterMs: -1 },
  ])
  assert.throws(() => policyOf(['shrink=soon']), /duration such as 30s/)
  const texts = [600_000, -1].map((shrinkAfterMs) => policyRows({ own: {}, effective: { shrinkAfterMs } }))
  assert.deepEqual(
    texts.map((rows) => rows.find(([name]) => name === 'shrink')![1]),
    ['10m', 'never'],
  )
})

test('an order of victims is a list of rules, each once', () => {
  assert.deepEqual(policyOf(['victimOrder=priority,largest']), { victimOrder: ['priority', 'largest'] })
  for (const wrong of ['victimOrder=richest', 'victimOrder=newest,newest', 'victimOrder=priority,'])
    assert.throws(() => policyOf([wrong]), /must be some of preferred, priority, newest/)
})

test('a field is inherited again, and single resources have their own patience', () => {
  assert.deepEqual(policyOf(['grace=inherit', 'whenFullOf=cores:wait,volumes_a:b:refuse']), {
    graceMs: null,
    whenFullOf: { cores: 'wait', 'volumes_a:b': 'refuse' },
  })
  for (const wrong of ['whenFullOf=cores', 'whenFullOf=cores:perhaps'])
    assert.throws(() => policyOf([wrong]), /resources with refuse or wait, such as cores:wait/)
  const own = { whenFullOf: { cores: 'wait', ram: 'refuse' } }
  const [, value, from] = policyRows({ own, effective: own }).find(([name]) => name === 'whenFullOf')!
  assert.deepEqual([value, from], ['cores:wait,ram:refuse', 'set here'])
})

test('durations are told in the largest unit that divides them', () => {
  assert.deepEqual([0, 250, 1000, 90_000, 120_000, 7_200_000].map(durationText), [
    '0s',
    '250ms',
    '1s',
    '90s',
    '2m',
    '2h',
  ])
})

test('a policy says what is set here and what is inherited', () => {
  const effective = { reclaim: 'onDemand', graceMs: 30_000, waitsForMinRuntime: false, onReclaim: 'stop' }
  const rows = policyRows({ own: { onReclaim: 'stop' }, effective })
  const byName = Object.fromEntries(rows.map(([name, value, from]) => [name, [value, from]]))
  assert.deepEqual(byName.onReclaim, ['stop', 'set here'])
  assert.deepEqual(byName.grace, ['30s', 'inherited'])
  assert.deepEqual(byName.waits, ['no', 'inherited'])
})

const row = { id: 1, at: '2026-11-23T20:00:00Z', project_id: 'p1', subject: null, actor: null, times: 1, amounts: {} }
const nameOf = (id: string) => ({ p1: 'web', p2: 'shop' })[id] ?? id
const why = (kind: string, details: object, more: object = {}) =>
  historyLines([{ ...row, kind, details: { ...details }, ...more }], nameOf, 0)[1]!

test('what happened is told in a sentence of its kind', () => {
  assert.match(
    why('settings', { cores: { own: [8, 16], ceiling: [null, 20] } }),
    /cores own 8→16, cores ceiling none→20/,
  )
  const refused = { reason: 'CEILING', resource: 'cores', node: 'p2' }
  assert.match(why('refused', refused, { times: 7 }), /CEILING of cores at shop, 7 times/)
  assert.match(why('recalled', { for: 'p2', right: 'owner' }), /for shop, by owner's right/)
  assert.match(why('recalled', { for: 'p2', right: 'shrink' }), /shop uses more than it may$/)
  assert.match(why('released', { recalledForMs: 32_000 }), /32s after its notice/)
  assert.match(why('granted', {}, { amounts: { cores: 2, ram: 64 } }), /web +cores=2 ram=64$/)
  assert.match(why('inherited', { of: 'p2', claims: 3 }), /shop is gone, and this still runs/)
  const policy = { graceMs: null, whenFullOf: { cores: 'wait' }, victimOrder: ['newest', 'largest'] }
  assert.match(why('policy', policy), /graceMs=inherit whenFullOf=cores:wait victimOrder=newest,largest/)
  assert.match(why('moved', { from: null, to: null }), /to the top/)
  assert.match(why('repaired', { owner: 'nova', held: { cores: 1 } }), /nova holds cores=1/)
  assert.deepEqual(historyLines([], nameOf, 80), ['Nothing of that happened, as far as is remembered.'])
})

test('who stands in line is told with what is kept for them', () => {
  const asked = { position: 1, project_id: 'p1', subject: 's', amounts: { cores: 4 }, gathered: { cores: 1 } }
  const lines = waitingLines([{ ...asked, since: '2026-11-23T20:00:00Z', expires_at: null }], nameOf)
  assert.match(lines[1]!, / 1 +web +cores=4 +cores=1 +2026-11-23T20:00:00Z +served +s$/)
  assert.deepEqual(waitingLines([], nameOf), ['Nobody stands in line.'])
})

test('a narrow terminal gets the columns that matter, and is told of the others', () => {
  const wide = fitted(['NAME', 'A', 'B'], [['x', 'aaaaaaaa', 'bbbbbbbb']], { width: 0, least: ['B', 'A'] })
  assert.equal(wide[0], 'NAME  A         B')
  const narrow = fitted(['NAME', 'A', 'B'], [['x', 'aaaaaaaa', 'bbbbbbbb']], { width: 16, least: ['B', 'A'] })
  assert.deepEqual(narrow.slice(0, 2), ['NAME  A', 'x     aaaaaaaa'])
  assert.match(narrow[2]!, /Too narrow for B/)
})
