/** The metrics: what is counted is in the text, and each registry stands alone. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMetrics } from './metrics.ts'

describe('metrics', () => {
  test('counters, gauges and histograms appear with their labels', async () => {
    const metrics = createMetrics({ processMetrics: false })
    metrics.counter({ name: 'boats_total', help: 'Boats', labels: ['kind'] }).inc({ kind: 'tug' }, 2)
    metrics.gauge({ name: 'cranes', help: 'Cranes' }).set(3)
    metrics.histogram({ name: 'wait_seconds', help: 'Wait', buckets: [1, 5] }).observe(2)
    const lines = (await metrics.text()).split('\n')
    const waits = ['wait_seconds_bucket{le="1"} 0', 'wait_seconds_bucket{le="5"} 1', 'wait_seconds_count 1']
    for (const line of ['boats_total{kind="tug"} 2', 'cranes 3', ...waits]) {
      assert.ok(lines.includes(line), line)
    }
  })

  test('a gauge may be set when it is read', async () => {
    const metrics = createMetrics({ processMetrics: false })
    let depth = 1
    metrics.gauge({ name: 'depth', help: 'Depth', collect: (gauge) => { gauge.set(depth) } })
    depth = 7
    assert.match(await metrics.text(), /^depth 7$/m)
  })

  test('a name that is asked for twice is the same counter', async () => {
    const metrics = createMetrics({ processMetrics: false })
    for (let n = 0; n < 2; n++) metrics.counter({ name: 'shared_total', help: 'Shared' }).inc()
    assert.match(await metrics.text(), /^shared_total 2$/m)
  })

  test('two registries do not mix, and the process tells about itself', async () => {
    const [near, far] = [createMetrics(), createMetrics({ processMetrics: false })]
    near.counter({ name: 'only_near_total', help: 'Near' }).inc()
    assert.doesNotMatch(await far.text(), /only_near/)
    assert.match(await near.text(), /^process_resident_memory_bytes \d+/m)
    assert.match(near.contentType, /^text\/plain/)
  })
})
