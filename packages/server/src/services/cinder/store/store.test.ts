/** Cinder's SQL means the same on both databases: filters, pages, sums, moves, and what is written over. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { SortKey } from '#platform/api-kit/paging.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import { CinderBench, projectId } from '../testing/cinder-bench.ts'
import { backupsList } from './backups.ts'
import { messageInsert, messagesExpire, messagesList } from './messages.ts'
import { settingDelete, settingsOf, settingWrite } from './settings.ts'
import { snapshotsCount, snapshotsList } from './snapshots.ts'
import { accessAdd, accessRemove, accessTypes, defaultTypeOf, defaultTypeSet, typesList } from './types.ts'
import {
  volumeFetch,
  volumeHost,
  volumeRowFetch,
  volumesList,
  volumesSum,
  volumesWithTask,
  volumeTried,
  volumeTryMove,
  volumeUpdate,
  type VolumeFilter,
} from './volumes.ts'

const everything: VolumeFilter = { equals: {}, like: {}, metadata: {}, imageMetadata: {}, times: [] }
const byName: SortKey[] = [
  { column: 'name', direction: 'asc' },
  { column: 'id', direction: 'asc' },
]

for (const database of testDatabases()) {
  describe(`Cinder's store on ${database.name}`, () => {
    let bench: CinderBench
    beforeEach(async () => {
      bench = await CinderBench.open(database)
    })
    afterEach(() => bench.db.close())

    const named = async (filter: Partial<VolumeFilter>): Promise<string[]> =>
      (await volumesList(bench.db, { ...everything, ...filter }, { sort: byName })).map(({ name }) => name)

    test('volumes are found by what they are, by parts, by pairs and by time', async () => {
      await bench.volume({ name: 'a', sizeGiB: 1, metadata: { tier: 'gold', 'odd"key': '100%' } })
      bench.clock.advance(1000)
      await bench.volume({ name: 'b%', sizeGiB: 2, bootable: true, imageMetadata: { image_name: 'web' } })
      await bench.volume({ name: 'c\\', projectId: 'other', status: 'error' })
      assert.deepEqual(await named({}), ['a', 'b%', 'c\\'])
      assert.deepEqual(await named({ projectId }), ['a', 'b%'])
      assert.deepEqual(await named({ equals: { size: [2, 3] } }), ['b%'])
      assert.deepEqual(await named({ equals: { size: [] } }), [])
      assert.deepEqual(await named({ equals: { bootable: [1] } }), ['b%'])
      assert.deepEqual(await named({ like: { name: 'c\\' } }), ['c\\'])
      assert.deepEqual(await named({ metadata: { 'odd"key': '100%' } }), ['a'])
      assert.deepEqual(await named({ metadata: { tier: 'g' } }), [])
      assert.deepEqual(await named({ imageMetadata: { image_name: 'web' } }), ['b%'])
      const later = { column: 'created_at' as const, range: { gt: bench.clock.now() - 500 } }
      assert.deepEqual(await named({ times: [later] }), ['b%', 'c\\'])
      assert.deepEqual(await volumesSum(bench.db, { ...everything, projectId }), { count: 2, sizeGiB: 3 })
      assert.deepEqual(await volumesSum(bench.db, { ...everything, projectId: 'nobody' }), { count: 0, sizeGiB: 0 })
    })

    test('pages follow each other without a gap or a repeat', async () => {
      for (const name of ['x', 'x', 'y', 'z']) await bench.volume({ name })
      const seen: string[] = []
      for (let after: string | undefined; ; after = seen.at(-1)) {
        const row = after === undefined ? undefined : await volumeRowFetch(bench.db, after)
        const page = await volumesList(bench.db, everything, { sort: byName, after: row, limit: 3 })
        seen.push(...page.map(({ id }) => id))
        if (page.length < 3) break
      }
      assert.equal(new Set(seen).size, 4)
      assert.equal((await volumesList(bench.db, everything, { sort: byName, offset: 3 })).length, 1)
    })

    test('a task is kept whole, counted, and ends; a host is chosen once', async () => {
      const { id } = await bench.volume({ status: 'creating', task: { do: 'create' } })
      await bench.volume({})
      await bench.db.transaction((tx) => volumeTried(tx, id))
      const [waiting, ...others] = await volumesWithTask(bench.db, 10)
      assert.deepEqual([waiting?.id, waiting?.tries, waiting?.task, others], [id, 1, { do: 'create' }, []])
      const chosen = (name: string) => bench.db.transaction((tx) => volumeHost(tx, id, name))
      assert.deepEqual([await chosen('near'), await chosen('far')], [true, false])
      const moved = await bench.db.transaction((tx) =>
        volumeTryMove(tx, id, 'created', { task: null, readOnly: true }),
      )
      const volume = (await volumeFetch(bench.db, id))!
      assert.deepEqual([moved, volume.status, volume.task, volume.readOnly], [true, 'available', null, true])
      assert.equal(await bench.db.transaction((tx) => volumeTryMove(tx, id, 'created')), false)
      const image = { id: uuid(), name: 'i', ownerId: projectId, containerFormat: 'bare', diskFormat: 'raw' }
      const task = { do: 'upload' as const, image: { ...image, minDiskGiB: 1, minRamMiB: 0, properties: { a: 'b' } } }
      await bench.db.transaction((tx) => volumeUpdate(tx, id, { task }))
      assert.deepEqual((await volumeFetch(bench.db, id))!.task, task)
    })

    test('snapshots and backups are listed, filtered and counted', async () => {
      const { id } = await bench.volume({})
      await bench.snapshot({ volumeId: id, name: 'one', metadata: { a: 'b' } })
      await bench.snapshot({ volumeId: id, name: 'two' })
      const filter = { projectId, equals: { volume_id: [id] }, like: {}, metadata: {} }
      assert.equal(await snapshotsCount(bench.db, filter), 2)
      const tagged = await snapshotsList(bench.db, { ...filter, metadata: { a: 'b' } }, { sort: byName })
      assert.deepEqual(
        tagged.map(({ name }) => name),
        ['one'],
      )
      await bench.backup({ volumeId: id, name: 'nightly' })
      const found = async (part: string) =>
        (await backupsList(bench.db, { projectId, volumeId: id, namePart: part }, { sort: byName })).length
      assert.deepEqual([await found('night'), await found('daily')], [1, 0])
    })

    test('settings, defaults and access are written over, and messages end', async () => {
      const [type] = await typesList(bench.db)
      const results = await bench.db.transaction(async (tx) => {
        for (const value of [1, 2]) await settingWrite(tx, 'per-volume', { name: 'p', value, at: value })
        await settingWrite(tx, 'quota-class', { name: 'volumes', value: 3, at: 0 })
        await settingDelete(tx, 'quota-class', 'volumes')
        for (const _ of [1, 2]) await defaultTypeSet(tx, projectId, type!.id)
        return [await accessAdd(tx, type!.id, 'p'), await accessAdd(tx, type!.id, 'p')]
      })
      assert.deepEqual(results, [true, false])
      assert.deepEqual([...(await settingsOf<number>(bench.db, 'per-volume'))], [['p', { value: 2, updatedAt: 2 }]])
      assert.equal((await settingsOf(bench.db, 'quota-class')).size, 0)
      assert.equal(await defaultTypeOf(bench.db, projectId), type!.id)
      assert.ok((await accessTypes(bench.db, 'p')).has(type!.id))
      assert.equal(await bench.db.transaction((tx) => accessRemove(tx, type!.id, 'p')), true)
      const about = { projectId, requestId: '', resourceType: 'VOLUME', resourceId: 'v', eventId: 'E', text: 't' }
      const message = { id: uuid(), ...about, level: 'ERROR' as const, createdAt: 1, expiresAt: 10 }
      await bench.db.transaction((tx) => messageInsert(tx, message))
      const count = async () =>
        (await messagesList(bench.db, { project_id: projectId }, { sort: [{ column: 'id', direction: 'asc' }] }))
          .length
      assert.equal(await count(), 1)
      await bench.db.transaction((tx) => messagesExpire(tx, 11))
      assert.equal(await count(), 0)
    })
  })
}
