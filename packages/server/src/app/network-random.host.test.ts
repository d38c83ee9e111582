/** Any history of API calls leaves a real host as the API says, no more and no less; and clean when all is deleted. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { Lab, labIsMissing, until } from '#drivers/linux-net/lab.ts'
import { NetworkCloud } from './network-random/cloud.ts'
import { expectedFacts, listingOf, type HostFacts } from './network-random/expected.ts'
import { anyMove, play, removeAll, type Move, type Scene } from './network-random/moves.ts'
import { observedFacts } from './network-random/observed.ts'

/** A longer search: QUAYSTONE_RANDOM_RUNS=50. */
const runs = Number(process.env['QUAYSTONE_RANDOM_RUNS'] ?? 2)
const boxCount = 5
const movesBetweenLooks = 6
const patienceMs = 60_000

async function facts({ cloud, boxes }: Scene): Promise<{ is: HostFacts; should: HostFacts }> {
  const is = await observedFacts(cloud.lab, boxes)
  return { is, should: expectedFacts(cloud.lab.names, await listingOf(cloud)) }
}

const isEqual = ({ is, should }: { is: HostFacts; should: HostFacts }): boolean => {
  try {
    assert.deepEqual(is, should)
    return true
  } catch {
    return false
  }
}

/** The loops bring it about by themselves; what is still different after a long time is told in full. */
async function becomesRight(scene: Scene, after: Move[]): Promise<void> {
  await until(async () => isEqual(await facts(scene)), patienceMs).catch(() => undefined)
  const { is, should } = await facts(scene)
  assert.deepEqual(is, should, `after ${JSON.stringify(after)}`)
  await until(async () => (await scene.cloud.leaks()).leaks.length === 0, patienceMs)
}

async function history(moves: Move[]): Promise<void> {
  await using lab = await Lab.create()
  const cloud = await NetworkCloud.start(lab)
  try {
    const scene: Scene = { cloud, boxes: await Promise.all(Array.from({ length: boxCount }, () => lab.sandbox())) }
    for (let from = 0; from < moves.length; from += movesBetweenLooks) {
      for (const move of moves.slice(from, from + movesBetweenLooks)) await play(scene, move)
      await becomesRight(scene, moves.slice(0, from + movesBetweenLooks))
    }
    await removeAll(scene)
    await becomesRight(scene, moves)
    assert.deepEqual(
      readdirSync('/run/netns').filter((name) => name.includes(lab.names.tag)),
      [],
    )
    const links = (await lab.in(lab.namespace(), 'ip', '-j', '-d', 'link')).output
    assert.equal(links.includes(lab.names.aliasPrefix), false, 'no device of ours is left')
    assert.doesNotMatch((await lab.in(lab.namespace(), 'nft', 'list', 'tables')).output, /quaystone/)
  } finally {
    await cloud.close()
  }
}

test('any history of API calls', { skip: labIsMissing, timeout: runs * 600_000 }, async () => {
  const histories = fc.array(anyMove, { minLength: 30, maxLength: 36 })
  await fc.assert(fc.asyncProperty(histories, history), { numRuns: runs, endOnFailure: true })
})
