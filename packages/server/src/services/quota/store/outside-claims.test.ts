/** Pages of claims and of requests that wait: whatever the names, nothing is missed and nothing comes twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { openQuota } from '../testing.ts'
import { outsidePage } from './outside-claims.ts'
import type { OutsideFilter } from './outside-claims.ts'

const prefix = 'external:'
const held = ['Z', 'a-b', 'ab', 'ä', '_', 'B%', 'b', '10', '9'].map((id) => `${prefix}p:${id}`)
const awaited = ['Ab', 'a b', 'z', 'É'].map((id) => `${prefix}p:${id}`)

for (const database of testDatabases())
  test(`on ${database.name}: pages of all and of each state are whole`, async () => {
    const bench = await openQuota(database, { p: null, other: null })
    await bench.front.ensureResource({ name: 'cores', service: 'test', defaultLimit: held.length })
    const ask = (subject: string, more: object) =>
      bench.db.transaction((tx) =>
        bench.front.reserve(tx, { projectId: 'p', deltas: { cores: 1 }, subject, whenFull: 'wait', ...more }),
      )
    for (const [index, subject] of held.entries()) await ask(subject, { started: index % 2 === 0 })
    for (const subject of awaited) assert.equal((await ask(subject, {})).state, 'waiting')

    const pages = async (filter: Partial<OutsideFilter> = {}) => {
      const subjects: string[] = []
      for (let after = ''; ;) {
        const page = await outsidePage(bench.db, { prefix, after, limit: 2, ...filter })
        if (page.length === 0) return subjects
        subjects.push(...page.map(({ subject }) => subject))
        after = subjects.at(-1)!
      }
    }
    assert.deepEqual((await pages()).sort(), [...held, ...awaited].sort())
    assert.deepEqual((await pages({ state: 'waiting' })).sort(), [...awaited].sort())
    assert.deepEqual((await pages({ state: 'committed' })).sort(), held.filter((_, index) => index % 2 === 0).sort())
    assert.deepEqual((await pages({ state: 'reserved' })).sort(), held.filter((_, index) => index % 2 === 1).sort())
    assert.deepEqual(await pages({ state: 'recalled' }), [])
    assert.deepEqual(await pages({ projectIds: ['other'] }), [])
    await bench.db.close()
  })
