/** OpenStack's own test suite: every test on the pass lists passes, and none of its families is forgotten. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cloud } from '../support/cloud.ts'
import { families, readLists } from './lists.ts'
import { addSecondImage } from './second-image.ts'
import { resultOf, Tempest, type TestResult } from './run.ts'

const lists = readLists()
let cloud: Cloud
let known: Map<string, string>
let results: TestResult[]

before(async () => {
  cloud = await Cloud.start()
  await addSecondImage(cloud)
  const tempest = await Tempest.make(join(cloud.directory, 'tempest'), join(cloud.dataDir, 'clouds.yaml'))
  known = await tempest.list()
  const wanted = lists
    .flatMap((list) => list.pass)
    .map((name) => known.get(name))
    .filter((id) => id !== undefined)
  results = await tempest.run(wanted)
})

after(async () => {
  await cloud?.destroy()
})

for (const { service, pass, skip } of lists) {
  describe(`tempest, ${service}`, () => {
    test('every test of the family is on one of the two lists, once', () => {
      const family = new RegExp(families[service]!)
      const listed = [...pass, ...skip.keys()]
      assert.deepEqual(
        [...known.keys()].filter((name) => family.test(name) && !listed.includes(name)),
        [],
      )
      assert.equal(new Set(listed).size, listed.length)
    })

    for (const name of pass) {
      test(name, () => {
        assert.ok(known.has(name), 'this tempest has no such test')
        const { status, detail } = resultOf(results, name)
        assert.equal(status, 'success', detail)
      })
    }
  })
}
