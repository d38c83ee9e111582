/** The upkeep of tokens: once, twice, cut short, and two at once. */
import assert from 'node:assert/strict'
import { ManualClock } from '#platform/clock/clock.ts'
import { controllerSuite } from '#platform/controllers/testing.ts'
import { mortal } from '#platform/db/testing-deaths.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { Managers } from '../manager/managers.ts'
import { settingsOf } from '../manager/settings.ts'
import { migrations } from '../store/migrations.ts'
import { tokenUpkeep } from './token-upkeep.ts'

const day = 86_400_000

for (const database of testDatabases()) {
  controllerSuite({
    name: `keystone.token-upkeep on ${database.name}`,
    make: async () => {
      const db = mortal(await database.open({ migrations: [{ service: 'keystone', migrations }] }))
      const clock = new ManualClock(10 * day)
      const managers = () => new Managers({ db, clock, masterKey: Buffer.alloc(32), settings: settingsOf({}) })
      const first = managers()
      await first.tokens.start()
      await db.transaction((tx) => first.ground.news.revoke(tx, 'user:gone'))
      clock.advance(10 * day)
      await db.transaction((tx) => first.ground.news.revoke(tx, 'user:fresh'))
      db.deaths.begin()
      return {
        db,
        controller: () => tokenUpkeep({ tokens: managers().tokens, db, clock }),
        assertDone: async () => {
          const marks = await db.kysely.selectFrom('identity_revocation').select('mark').execute()
          assert.deepEqual(marks.map((row) => row.mark), ['user:fresh'])
          const keys = await db.kysely.selectFrom('identity_token_key').select('number').orderBy('number').execute()
          assert.deepEqual(keys.map(({ number }) => number), [0, 1, 2], 'one rotation is enough')
        },
        effects: () => [...db.deaths.written],
        dieAfterEffect: (n) => db.deaths.dieBehind(n),
        close: () => db.close(),
      }
    },
  })
}
