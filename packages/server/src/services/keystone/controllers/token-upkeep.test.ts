/** The upkeep of tokens: once, twice, cut short, and two at once. */
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import assert from 'node:assert/strict'
import { ManualClock } from '#platform/clock/clock.ts'
import { controllerSuite } from '#platform/controllers/testing.ts'
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
      const db = await database.open({ migrations: [{ service: 'keystone', migrations }] })
      const dataDir = await mkdtemp(join(tmpdir(), 'keystone-upkeep-'))
      const clock = new ManualClock(10 * day)
      const keyFolder = join(dataDir, 'keys')
      const managers = () => new Managers({
        db, clock, keyFolder, masterKey: Buffer.alloc(32), settings: settingsOf({}),
      })
      const first = managers()
      await first.tokens.start()
      await db.transaction((tx) => first.ground.news.revoke(tx, 'user:gone'))
      clock.advance(10 * day)
      await db.transaction((tx) => first.ground.news.revoke(tx, 'user:fresh'))
      // Files bear the machine's time, which no test owns: the keys are dated by hand.
      for (const name of await readdir(keyFolder)) await utimes(join(keyFolder, name), 10 * day / 1000, 10 * day / 1000)
      return {
        db,
        controller: () => tokenUpkeep({ tokens: managers().tokens, db, clock }),
        assertDone: async () => {
          const marks = await db.kysely.selectFrom('identity_revocation').select('mark').execute()
          assert.deepEqual(marks.map((row) => row.mark), ['user:fresh'])
          assert.ok((await readdir(keyFolder)).includes('2'))
          assert.ok(!(await readdir(keyFolder)).includes('3'), 'one rotation is enough')
        },
        effects: () => [],
        close: async () => {
          await db.close()
          await rm(dataDir, { recursive: true })
        },
      }
    },
  })
}
