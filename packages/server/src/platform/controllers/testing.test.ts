/** The four generic tests, on a controller over real rows; and that they fail for controllers that deserve it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defineMigration } from '#platform/db/migrate.ts'
import type { Executor } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { id, text } from '#platform/db/columns.ts'
import { applyMove } from '#platform/states/apply-move.ts'
import { defineMachine } from '#platform/states/machine.ts'
import { defineController } from './controller.ts'
import { controllersMarkdown } from './controllers-markdown.ts'
import { controllerSuite } from './testing.ts'
import type { ControllerBench } from './testing.ts'

interface Tables { boat: { id: string; state: string } }
interface Boat { id: string; state: string }

const boats = defineMachine({
  name: 'boat', initial: 'WANTED',
  table: { WANTED: { built: 'BUILT' }, BUILT: { launched: 'AFLOAT' }, AFLOAT: {} },
})

const migrations = [{ service: 'harbour', migrations: [defineMigration({
  id: '0001-boats',
  up: async (schema) => { await schema.schema.createTable('boat').addColumn('id', ...id).addColumn('state', ...text)
    .execute() },
})] }]

/** The outside world: what is there is found by its label, as a container is. */
class Shipyard {
  readonly there = new Set<string>()
  readonly done: string[] = []
  dieAfter = 0

  async ensure(thing: string): Promise<void> {
    if (this.there.has(thing)) return
    this.there.add(thing)
    await new Promise(setImmediate)
    if (this.done.push(thing) === this.dieAfter) throw new Error('died')
  }
}

const boatController = (db: Executor, yard: Shipyard) => defineController<Boat[], Boat>({
  name: 'harbour.float-boats', about: 'Builds wanted boats and sets them afloat',
  wakesOn: ['harbour.>'], everySeconds: 60, perPass: 3, concurrency: 2,
  observe: (limit) => db.as<Tables>().selectFrom('boat').selectAll().where('state', '!=', 'AFLOAT').orderBy('id')
    .limit(limit).execute(),
  plan: (world) => world,
  act: async (boat) => {
    const event = boat.state === 'WANTED' ? 'built' : 'launched'
    await yard.ensure(`${event} ${boat.id}`)
    await applyMove(db, { table: 'boat', id: boat.id, column: 'state' }, boats, event)
  },
  key: (boat) => boat.id,
})

async function makeBench(database: TestDatabase): Promise<ControllerBench> {
  const db = await database.open({ migrations })
  const yard = new Shipyard()
  await db.as<Tables>().insertInto('boat')
    .values(['a', 'b', 'c', 'd', 'e'].map((boat) => ({ id: boat, state: 'WANTED' }))).execute()
  return {
    db,
    controller: () => boatController(db, yard),
    assertDone: async () => {
      const states = await db.as<Tables>().selectFrom('boat').select('state').distinct().execute()
      assert.deepEqual(states, [{ state: 'AFLOAT' }])
    },
    effects: () => [...yard.done],
    dieAfterEffect: (n) => { yard.dieAfter = n },
    close: () => db.close(),
  }
}

for (const database of testDatabases()) {
  controllerSuite({ name: `harbour.float-boats on ${database.name}`, make: () => makeBench(database) })
}

describe('documentation of controllers', () => {
  test('is a table, sorted by name', async () => {
    const [database] = testDatabases()
    const bench = await makeBench(database as TestDatabase)
    const markdown = controllersMarkdown([{ ...bench.controller(), name: 'z.last' }, bench.controller()])
    await bench.close()
    assert.deepEqual(markdown.split('\n').slice(2, 4), [
      '| `harbour.float-boats` | Builds wanted boats and sets them afloat | `harbour.>` | 60 s | 3 | 2 |',
      '| `z.last` | Builds wanted boats and sets them afloat | `harbour.>` | 60 s | 3 | 2 |',
    ])
  })
})
