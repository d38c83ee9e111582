/** Glance's store on both databases: what is written is read, who sees what, and moves that must not happen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import { imageFetch, imageInsert, imageMove, imagesList, imageTryMove, type ImageFilter } from './images.ts'
import { memberInsert, memberSetStatus } from './members.ts'
import { migrations } from './migrations.ts'
import type { Image } from './tables.ts'

const draft = (over: Partial<Image>): Image => ({
  id: uuid(),
  name: 'one',
  status: 'queued',
  visibility: 'private',
  ownerId: 'owner',
  containerFormat: 'bare',
  diskFormat: 'raw',
  sizeBytes: null,
  minDiskGiB: 0,
  minRamMiB: 0,
  checksum: null,
  hashValue: null,
  protected: false,
  hidden: false,
  inspection: null,
  properties: { colour: 'red' },
  tags: ['a'],
  createdAt: 1,
  updatedAt: 1,
  ...over,
})

const everything: Omit<ImageFilter, 'viewer'> = { hidden: false, equals: [], ranges: [], tags: [], properties: {} }
const namesSeen = async (
  db: Database,
  projectId: string,
  filter: Partial<ImageFilter> = {},
): Promise<(string | null)[]> => {
  const viewer = { projectId, isAdmin: false }
  const sort = [
    { column: 'name', direction: 'asc' as const },
    { column: 'id', direction: 'asc' as const },
  ]
  return (await imagesList(db, { ...everything, viewer, ...filter }, { sort, limit: 100 })).map(({ name }) => name)
}

for (const { name, open } of testDatabases()) {
  const story = (about: string, work: (db: Database) => Promise<void>) =>
    test(`${name}: ${about}`, async () => {
      const db = await open({ migrations: [{ service: 'glance', migrations }] })
      try {
        await work(db)
      } finally {
        await db.close()
      }
    })

  story('an image is read as it was written, and its id is taken', async (db) => {
    const image = draft({
      name: null,
      containerFormat: null,
      inspection: { kind: 'rootfs', hasCommand: true, architecture: 'amd64' },
    })
    await imageInsert(db, image)
    assert.deepEqual(await imageFetch(db, image.id), image)
    await assert.rejects(imageInsert(db, image), { kind: 'conflict' })
  })

  story('an image moves only along its machine, once', async (db) => {
    const { id } = draft({})
    await imageInsert(db, draft({ id }))
    await assert.rejects(imageMove(db, id, 'activated', {}), { kind: 'conflict' })
    await imageMove(db, id, 'saved', {})
    const both = await Promise.all([imageTryMove(db, id, 'activated', {}), imageTryMove(db, id, 'activated', {})])
    assert.deepEqual(both.toSorted(), [false, true])
  })

  story('a project sees its own, public and accepted images', async (db) => {
    const shared = draft({ name: 'shared', visibility: 'shared' })
    for (const image of [
      draft({ name: 'mine', ownerId: 'me' }),
      draft({ name: 'theirs' }),
      draft({ name: 'public', visibility: 'public' }),
      shared,
    ]) {
      await imageInsert(db, image)
    }
    const member = { imageId: shared.id, memberId: 'me', status: 'pending' as const, createdAt: 1, updatedAt: 1 }
    await memberInsert(db, member)
    assert.deepEqual(await namesSeen(db, 'me'), ['mine', 'public'])
    await memberSetStatus(db, { ...member, status: 'accepted' })
    assert.deepEqual(await namesSeen(db, 'me'), ['mine', 'public', 'shared'])
    assert.deepEqual(await namesSeen(db, 'stranger'), ['public'])
  })

  story('tags, properties and times narrow a list', async (db) => {
    for (const image of [draft({ name: 'x', tags: ['a', 'b'] }), draft({ name: 'y', properties: {}, createdAt: 9 })])
      await imageInsert(db, image)
    assert.deepEqual(await namesSeen(db, 'owner', { tags: ['b'] }), ['x'])
    assert.deepEqual(await namesSeen(db, 'owner', { properties: { colour: 'red' } }), ['x'])
    assert.deepEqual(await namesSeen(db, 'owner', { ranges: [{ column: 'created_at', operator: '>', value: 5 }] }), [
      'y',
    ])
  })
}
