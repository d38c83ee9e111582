/** The text of tokens, their keys, and what a process remembers of them. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { KeyRepository } from '../store/key-repository.ts'
import { migrations } from '../store/migrations.ts'
import { Seal } from './seal.ts'
import { decryptToken, encryptToken, newAuditId, type TokenPayload, type TokenScope } from './token-format.ts'
import type { TokenGrant } from './token-grants.ts'
import { TokenMemory } from './token-memory.ts'

const hexId = fc.stringMatching(/^[0-9a-f]{32}$/)
const id = fc.oneof(hexId, fc.stringMatching(/^[a-zA-Z0-9-]{1,64}$/))
const scope: fc.Arbitrary<TokenScope> = fc.oneof(
  fc.constant<TokenScope>({ kind: 'unscoped' }), fc.constant<TokenScope>({ kind: 'system' }),
  fc.tuple(
    fc.constantFrom('project', 'domain', 'trust', 'applicationCredential'), id,
  ).map(([kind, of]) => ({ kind, id: of }) as TokenScope),
)
const time = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const payload: fc.Arbitrary<TokenPayload> = fc.record({
  methods: fc.subarray(['password', 'token', 'application_credential', 'totp', 'ec2credential', 'external']),
  userId: id, scope, issuedAt: time, expiresAt: time,
  auditIds: fc.constantFrom(1, 2).map((count) => Array.from({ length: count }, newAuditId)),
}, { noNullPrototype: true })

describe('the text of a token', () => {
  test('what was put in comes out, with any of the keys', () => {
    fc.assert(fc.property(payload, (content) => {
      const [old, current] = [randomBytes(32), randomBytes(32)]
      assert.deepEqual(decryptToken(encryptToken(content, old), [current, old]), content)
    }))
  })

  test('usual tokens are short, and safe in headers and shells', () => {
    fc.assert(fc.property(payload, hexId, hexId, (content, user, project) => {
      const token = encryptToken({ ...content, userId: user, scope: { kind: 'project', id: project } }, randomBytes(32))
      assert.ok(token.length <= 255)
      assert.match(token, /^[a-z][A-Za-z0-9_-]+$/)
    }))
  })

  test('a changed, cut or foreign token is no token', () => {
    fc.assert(fc.property(payload, fc.nat(), (content, at) => {
      const key = randomBytes(32)
      const token = encryptToken(content, key)
      const where = 2 + at % (token.length - 4)
      const changed = token.slice(0, where) + (token[where] === 'A' ? 'B' : 'A') + token.slice(where + 1)
      assert.equal(decryptToken(changed, [key]), undefined)
      assert.equal(decryptToken(token.slice(0, -2), [key]), undefined)
      assert.equal(decryptToken(token, [randomBytes(32)]), undefined)
    }))
    for (const text of ['', 'qk', 'null', 'gAAAAABk', 'x'.repeat(5000)]) assert.equal(
      decryptToken(text, [randomBytes(32)]), undefined,
    )
  })
})

for (const database of testDatabases()) {
  describe(`the keys on ${database.name}`, () => {
    const seal = new Seal(Buffer.alloc(32), 'keys')
    const clock = new ManualClock()
    const loaded = async (db: Database) => {
      const keys = new KeyRepository({ db, clock, seal })
      await keys.load()
      return keys
    }
    const story = (name: string, work: (db: Database) => Promise<void>) => test(name, async () => {
      const db = await database.open({ migrations: [{ service: 'keystone', migrations }] })
      try { await work(db) } finally { await db.close() }
    })

    story('are made once, whoever comes first, and lie sealed', async (db) => {
      const [first, second] = await Promise.all([loaded(db), loaded(db)])
      assert.deepEqual(second.all, first.all)
      assert.equal(first.all.length, 2)
      const rows = await db.kysely.selectFrom('identity_token_key').select('sealed').execute()
      for (const { sealed } of rows) assert.ok(first.all.every((key) => !sealed.includes(key.toString('base64url'))))
    })

    story('rotate: the staged key becomes the primary, so other processes know it already', async (db) => {
      const [here, there] = [await loaded(db), await loaded(db)]
      await here.rotate(5)
      assert.ok(there.all.some((key) => key.equals(here.primary)))
      assert.ok(here.all.some((key) => key.equals(there.primary)))
    })

    story('two who rotate at once rotate once', async (db) => {
      const [here, there] = [await loaded(db), await loaded(db)]
      await Promise.all([here.rotate(5), there.rotate(5)])
      assert.deepEqual(here.all, there.all)
      assert.equal(here.all.length, 3)
    })

    story('the oldest go when there are too many', async (db) => {
      const keys = await loaded(db)
      const first = keys.primary
      for (let times = 0; times < 6; times++) await keys.rotate(4)
      assert.equal(keys.all.length, 4)
      assert.ok(!keys.all.some((key) => key.equals(first)))
    })

    story('are looked for again after a while only', async (db) => {
      const [here, there] = [await loaded(db), await loaded(db)]
      await here.rotate(5)
      assert.equal(await there.refresh(1000), false)
      clock.advance(1000)
      assert.equal(await there.refresh(1000), true)
      assert.deepEqual(there.all, here.all)
    })

    story('of another cloud are named', async (db) => {
      await loaded(db)
      const strange = new KeyRepository({ db, clock, seal: new Seal(Buffer.alloc(32, 1), 'keys') })
      await assert.rejects(strange.load(), /Token key \d does not open: .*identity\.json/)
    })
  })
}

describe('what a process remembers of tokens', () => {
  const grant = (user: string, project: string, issuedAt = 0): TokenGrant => ({
    data: { expiresAt: 1000, issuedAt, project: { id: project } }, userIds: [user],
    marks: [`user:${user}`, `project:${project}`],
  }) as unknown as TokenGrant
  const remember = (memory: TokenMemory, token: string, of: TokenGrant) => memory.remember(token, of, {
    until: 500, generation: memory.generation,
  })

  test('an answer is remembered until its time, and the least used go first', () => {
    const memory = new TokenMemory(2)
    for (const token of ['a', 'b']) remember(memory, token, grant('u', 'p'))
    assert.ok(memory.recall('a', 0))
    remember(memory, 'c', grant('u', 'p'))
    assert.equal(memory.recall('b', 0), undefined)
    assert.ok(memory.recall('a', 499))
    assert.equal(memory.recall('a', 500), undefined)
  })

  test('a change forgets those it concerns, and no others', () => {
    const memory = new TokenMemory(10)
    remember(memory, 'a', grant('u1', 'p1'))
    remember(memory, 'b', grant('u2', 'p2'))
    memory.apply({ users: ['u1'] })
    assert.equal(memory.recall('a', 0), undefined)
    assert.ok(memory.recall('b', 0))
    memory.apply({ everything: true })
    assert.equal(memory.size, 0)
  })

  test('an answer from before a change is not remembered after it', () => {
    const memory = new TokenMemory(10)
    const { generation } = memory
    memory.apply({ users: ['u1'] })
    memory.remember('a', grant('u1', 'p1'), { until: 500, generation })
    assert.equal(memory.recall('a', 0), undefined)
  })

  test('a mark refuses what was issued until then, and nothing later', () => {
    const memory = new TokenMemory(10)
    memory.addMark({ mark: 'user:u', issuedBefore: 100, expiresAt: 900 })
    assert.ok(memory.isRevoked(['user:u'], 100))
    assert.ok(!memory.isRevoked(['user:u'], 101))
    assert.equal(memory.earliest(['user:u'], 100), 101)
    memory.addMark({ mark: 'user:u', issuedBefore: 50, expiresAt: 900 })
    assert.ok(memory.isRevoked(['user:u'], 100), 'an older mark does not weaken a newer one')
    memory.forgetMarks(900)
    assert.ok(!memory.isRevoked(['user:u'], 100))
  })
})
