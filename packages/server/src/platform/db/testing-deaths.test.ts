/** The deaths that tests of controllers rely on happen where they say, and undo what they should. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { Tx } from './database.ts'
import type { PlatformTables } from './platform-tables.ts'
import { bothTexts, runStatement } from './statement.ts'
import { mortal, ProcessDied } from './testing-deaths.ts'
import type { MortalDatabase } from './testing-deaths.ts'
import { testDatabases } from './testing.ts'

const insert = bothTexts(`insert into outbox (topic, payload, at) values (?, '{}', 0)`)

for (const { name, open } of testDatabases()) {
  describe(`deaths on ${name}`, () => {
    let db: MortalDatabase
    before(async () => {
      db = mortal(await open({ migrations: [] }))
    })
    after(() => db.close())

    const topics = async (): Promise<string[]> =>
      (await db.as<PlatformTables>().selectFrom('outbox').select('topic').orderBy('id').execute()).map(
        ({ topic }) => topic,
      )
    /** Writes by all three ways that there are, and reads between. */
    const work = async (tx: Tx) => {
      await runStatement(tx, insert, ['one'])
      await topics()
      await tx.as<PlatformTables>().selectFrom('outbox').selectAll().execute()
      await tx.as<PlatformTables>().insertInto('outbox').values({ topic: 'two', payload: '{}', at: 0 }).execute()
      await sql`update outbox set at = 1 where topic = 'one'`.execute(tx.as())
    }

    test('what is written is counted, and what is read is not', async () => {
      db.deaths.begin()
      await db.transaction((tx) => tx.as<PlatformTables>().selectFrom('outbox').selectAll().execute())
      assert.deepEqual(db.deaths.written, [])
      await db.transaction(work)
      assert.equal(db.deaths.written.length, 4)
      assert.match(db.deaths.written[3]!, /commit/)
    })

    test('each death is died once, and undoes what was not committed', async () => {
      for (let n = 1; n <= 4; n++) {
        const before = await topics()
        db.deaths.dieBehind(n)
        await assert.rejects(db.transaction(work), ProcessDied)
        assert.deepEqual(await topics(), n < 4 ? before : [...before, 'one', 'two'])
        await db.transaction(work)
      }
    })
  })
}
