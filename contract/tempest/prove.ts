/** Runs tempest's tests of some lists against a cloud of their own, and fails by name what did not pass. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cloud } from '../support/cloud.ts'
import { families, readLists, type TestList } from './lists.ts'
import { limitsConfiguration, registerImageLimits } from './image-limits.ts'
import { addSecondImage } from './second-image.ts'
import { resultOf, Tempest, type TestResult } from './run.ts'

export interface Proof {
  readonly services: readonly string[]
  /** Whether tempest goes into servers over ssh. */
  readonly looksInside?: boolean
  readonly concurrency?: number
  /** The part of the pass lists that is run; default: all. */
  readonly only?: RegExp
}

interface Run {
  readonly known: ReadonlyMap<string, string>
  readonly results: readonly TestResult[]
}

async function runAll(cloud: Cloud, names: readonly string[], proof: Proof): Promise<Run> {
  await addSecondImage(cloud)
  await registerImageLimits(cloud)
  const { looksInside = false, concurrency } = proof
  const directory = join(cloud.directory, 'tempest')
  const tempest = await Tempest.make(directory, join(cloud.dataDir, 'clouds.yaml'), { looksInside })
  const known = await tempest.list()
  const ids = names.map((name) => known.get(name)).filter((id) => id !== undefined)
  return { known, results: await tempest.run(ids, concurrency) }
}

/** None of a family's tests is forgotten, and none is on both lists. */
function assertCovered({ service, pass, skip }: TestList, known: Run['known']): void {
  const family = new RegExp(families[service]!)
  const listed = [...pass, ...skip.keys()]
  assert.deepEqual(
    [...known.keys()].filter((name) => family.test(name) && !listed.includes(name)),
    [],
  )
  assert.equal(new Set(listed).size, listed.length)
}

export function prove(proof: Proof): void {
  const wanted = (name: string): boolean => proof.only?.test(name) ?? true
  const lists = readLists(proof.services)
  let cloud: Cloud
  let run: Run

  before(async () => {
    cloud = await Cloud.start(limitsConfiguration)
    run = await runAll(cloud, lists.flatMap(({ pass }) => pass).filter(wanted), proof)
  })
  after(async () => {
    await cloud?.destroy()
  })

  for (const list of lists) {
    describe(`tempest, ${list.service}`, () => {
      test('every test of the family is on one of the two lists, once', () => assertCovered(list, run.known))

      for (const name of list.pass.filter(wanted)) {
        test(name, () => {
          assert.ok(run.known.has(name), 'this tempest has no such test')
          const { status, detail } = resultOf(run.results, name)
          assert.equal(status, 'success', detail)
        })
      }
    })
  }
}
