/** The exhaustive test of any state machine: every state with every event, in memory and in the database. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { applyMove, tryMove } from './apply-move.ts'
import type { Machine } from './machine.ts'

interface Tables { thing: { id: string; state: string; note: string | null } }

/** Call it from `x.test.ts` beside the machine: `machineSuite(serverMachine)`. */
export function machineSuite<State extends string, Event extends string>(machine: Machine<State, Event>): void {
  describe(`machine ${machine.name}`, () => {
    test('every state can be reached from the initial one', () => {
      assert.deepEqual([...reached(machine)].sort(), [...machine.states].sort())
    })

    test('every event is accepted somewhere, and leads to a state', () => {
      for (const event of machine.events) {
        assert.notEqual(machine.sourcesOf(event).length, 0, event)
        for (const { from, to } of machine.movesOf(event)) {
          assert.ok(machine.isState(to), `${from} --${event}--> ${to}`)
          assert.equal(machine.target(from, event), to)
        }
      }
    })

    test('the drawing has every move', () => {
      const lines = machine.mermaid().split('\n').map((line) => line.trim())
      for (const event of machine.events) {
        for (const { from, to } of machine.movesOf(event)) {
          assert.ok(lines.includes(`${from} --> ${to}: ${event}`), `${from} ${event}`)
        }
      }
    })

    for (const { name, open } of testDatabases()) storeSuite(machine, name, open)
  })
}

function storeSuite<State extends string, Event extends string>(
  machine: Machine<State, Event>, name: string, open: () => Promise<Database>,
): void {
  describe(`stored on ${name}`, () => {
    let db: Database
    before(async () => {
      db = await open()
      await db.kysely.schema.createTable('thing').addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('state', 'text').addColumn('note', 'text').execute()
    })
    after(() => db.close())

    const row = (id: string) => ({ table: 'thing', id, column: 'state' })
    const put = async (state: string, event: string) => {
      const id = `${state}/${event}`
      await db.as<Tables>().insertInto('thing').values({ id, state, note: 'before' }).execute()
      return id
    }
    const found = (id: string) =>
      db.as<Tables>().selectFrom('thing').select(['state', 'note']).where('id', '=', id).executeTakeFirst()

    test('every state takes the events it allows and refuses the others, unchanged', async () => {
      for (const state of machine.states) {
        for (const event of machine.events) {
          const id = await put(state, event)
          const target = machine.target(state, event)
          if (target === undefined) {
            await assert.rejects(applyMove(db, row(id), machine, event, { note: 'after' }), (error) => isRefusal(error)
              && error.kind === 'conflict' && error.message.includes(state) && error.message.includes(event), id)
            assert.deepEqual(await found(id), { state, note: 'before' })
          } else {
            assert.deepEqual(
              await applyMove(db, row(id), machine, event, { note: 'after' }), { moved: true, state: target }, id,
            )
            assert.deepEqual(await found(id), { state: target, note: 'after' })
          }
        }
      }
    })

    test('of two moves at once out of one state, one moves', async () => {
      const once = movesThatWorkOnce(machine)[0]
      if (once === undefined) return
      const id = `race/${once.from}`
      await db.as<Tables>().insertInto('thing').values({ id, state: once.from, note: null }).execute()
      const results = await Promise.all([1, 2].map(() => tryMove(db, row(id), machine, once.event)))
      assert.deepEqual(results.map(({ moved }) => moved).sort(), [false, true])
    })

    test('a row that is not there is not found', async () => {
      const event = machine.events[0]
      if (event === undefined) return
      await assert.rejects(
        applyMove(db, row('nowhere'), machine, event), (error) => isRefusal(error) && error.kind === 'notFound',
      )
    })
  })
}

/** Moves into a state that does not take the same event again. */
const movesThatWorkOnce = <State extends string, Event extends string>(machine: Machine<State, Event>) =>
  machine.events.flatMap((event) => machine.movesOf(event)
    .filter(({ to }) => !machine.allows(to, event))
    .map(({ from }) => ({ from, event })))

function reached<State extends string, Event extends string>(machine: Machine<State, Event>): Set<State> {
  const seen = new Set<State>([machine.initial])
  for (const state of seen) {
    for (const event of machine.eventsOf(state)) seen.add(machine.target(state, event) as State)
  }
  return seen
}
