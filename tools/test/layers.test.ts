/** Names decide where a test runs and what it needs; a name in the wrong layer would run unprepared. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layerOf, needsOf, runningOrder } from './layers.ts'

const server = 'packages/server/src'
const cases: readonly [path: string, layer: string, needs: readonly string[]][] = [
  ['tools/test/layers.test.ts', 'shape', []],
  [`${server}/engines/cidr/cidr.test.ts`, 'thinking', []],
  [`${server}/services/glance/store/images.test.ts`, 'store', []],
  [`${server}/platform/db/outbox.pg.test.ts`, 'store', ['postgres']],
  [`${server}/services/glance/api/images.test.ts`, 'door', []],
  [`${server}/services/nova/controllers/build.test.ts`, 'loops', []],
  [`${server}/app/compose.test.ts`, 'cloud', []],
  [`${server}/drivers/linux-net/attach.host.test.ts`, 'live', ['root']],
  [`${server}/drivers/docker/debian.docker.test.ts`, 'live', ['root', 'docker']],
  [`${server}/drivers/docker/current.docker.slow.test.ts`, 'nightly', ['root', 'docker']],
  ['contract/openstack-cli.contract.ts', 'contract', ['root', 'docker', 'clients']],
]

test('each name leads to its layer and its needs', () => {
  for (const [path, layer, needs] of cases) {
    assert.equal(layerOf(path)?.name, layer, path)
    assert.deepEqual(needsOf(path), needs, path)
  }
})

test('every layer runs once, and the nightly one last', () => {
  assert.equal(new Set(runningOrder).size, runningOrder.length)
  assert.equal(runningOrder.at(-1)?.nightly, true)
})
