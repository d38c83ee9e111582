/** What every volume store must do with bytes alone; the real one and the fake pass the same tests. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { uuid } from '#platform/ids/ids.ts'
import type { VolumeStore } from '#services/cinder/ports.ts'

const mebibyte = 2 ** 20
const sizeBytes = 16 * mebibyte

export interface StoreBench {
  store: VolumeStore
  close(): Promise<void>
}

export function volumeStoreSuite(name: string, skip: string | false, make: () => Promise<StoreBench>): void {
  const withStore = (work: (store: VolumeStore) => Promise<void>) => async () => {
    const { store, close } = await make()
    try {
      await work(store)
    } finally {
      await close()
    }
  }
  const filled = async (store: VolumeStore, text: string): Promise<string> => {
    const id = uuid()
    await store.createFrom({ id, sizeBytes }, Readable.from([Buffer.from(text)]), 'raw')
    return id
  }
  const textOf = async (store: VolumeStore, id: string): Promise<string> =>
    (await buffer(await store.read(id))).toString('latin1').replace(/\0+$/, '')

  describe(`volume store ${name}`, { skip }, () => {
    test(
      'a volume is made once, in its size, and told apart from another size',
      withStore(async (store) => {
        const id = uuid()
        await store.create({ id, sizeBytes }, { kind: 'blank' })
        await store.create({ id, sizeBytes }, { kind: 'blank' })
        await assert.rejects(store.create({ id, sizeBytes: 2 * sizeBytes }, { kind: 'blank' }), { kind: 'conflict' })
        const [known, ...others] = await store.list()
        assert.deepEqual(others, [])
        assert.equal(known?.id, id)
        assert.equal(known.sizeBytes, sizeBytes)
        assert.equal((await buffer(await store.read(id))).length, sizeBytes)
        assert.ok((await store.space()).totalBytes > 0)
      }),
    )

    test(
      'a stream is taken as it is, and refused when it is too long',
      withStore(async (store) => {
        const id = await filled(store, 'content')
        assert.equal(await textOf(store, id), 'content')
        const long = { id: uuid(), sizeBytes: mebibyte }
        const chunks = [Buffer.alloc(mebibyte, 'a'), Buffer.from('b')]
        await assert.rejects(store.createFrom(long, Readable.from(chunks), 'raw'), { kind: 'tooLarge' })
        assert.deepEqual(
          (await store.list()).map((each) => each.id),
          [id],
        )
      }),
    )

    test(
      'what is packed on one host is the same volume on another',
      withStore(async (store) => {
        const [id, copy] = [await filled(store, 'moved'), uuid()]
        await store.createFrom({ id: copy, sizeBytes }, await store.readPacked(id), 'packed')
        assert.equal(await textOf(store, copy), 'moved')
        assert.equal((await store.list()).find((each) => each.id === copy)?.sizeBytes, sizeBytes)
      }),
    )

    test(
      'a volume made of another, or of a snapshot, is a copy and may be larger',
      withStore(async (store) => {
        const [origin, snapshot, copy, second] = [await filled(store, 'first'), uuid(), uuid(), uuid()]
        await store.snapshotCreate({ id: snapshot, volumeId: origin })
        await store.snapshotCreate({ id: snapshot, volumeId: origin })
        await store.create({ id: copy, sizeBytes: 2 * sizeBytes }, { kind: 'volume', volumeId: origin })
        await store.create({ id: second, sizeBytes }, { kind: 'snapshot', snapshotId: snapshot })
        await store.remove(origin)
        assert.equal(await textOf(store, copy), 'first')
        assert.equal(await textOf(store, second), 'first')
        assert.equal(await textOf(store, snapshot), 'first')
        const kept = (await store.list()).find((each) => each.id === snapshot)
        assert.equal(kept?.kind, 'snapshot')
        assert.equal(kept?.volumeId, origin)
      }),
    )

    test(
      'what is not there is named',
      withStore(async (store) => {
        const id = uuid()
        const wanted = { id: uuid(), sizeBytes }
        await assert.rejects(store.read(id), { kind: 'notFound' })
        await assert.rejects(store.extend(id, sizeBytes), { kind: 'notFound' })
        await assert.rejects(store.create(wanted, { kind: 'volume', volumeId: id }), { kind: 'notFound' })
        await assert.rejects(store.create(wanted, { kind: 'snapshot', snapshotId: id }), { kind: 'notFound' })
        await store.remove(id)
        await store.snapshotRemove(id)
        await store.unplug({ volumeId: id, workloadId: uuid() })
        await store.clear(uuid())
        assert.deepEqual(await store.list(), [])
      }),
    )

    test(
      'a volume grows and never shrinks',
      withStore(async (store) => {
        const id = await filled(store, 'data')
        await store.extend(id, 2 * sizeBytes)
        await store.extend(id, sizeBytes)
        assert.equal((await store.list())[0]?.sizeBytes, 2 * sizeBytes)
        assert.equal(await textOf(store, id), 'data')
      }),
    )

    test(
      'reverting brings the bytes back and keeps the size',
      withStore(async (store) => {
        const [id, snapshot] = [await filled(store, 'then'), uuid()]
        await store.snapshotCreate({ id: snapshot, volumeId: id })
        await store.extend(id, 2 * sizeBytes)
        await store.revert(id, snapshot)
        assert.equal((await store.list()).find((each) => each.id === id)?.sizeBytes, 2 * sizeBytes)
        assert.equal(await textOf(store, id), 'then')
        await store.snapshotRemove(snapshot)
        assert.deepEqual(
          (await store.list()).map((each) => each.id),
          [id],
        )
      }),
    )

    test(
      'a plugged volume stays, and is free when its workload is gone',
      withStore(async (store) => {
        const [id, workloadId] = [await filled(store, 'raw'), uuid()]
        await store.slot(workloadId)
        const plug = { volumeId: id, workloadId, pid: 0, device: '/dev/vdb', use: 'device', readOnly: false } as const
        assert.deepEqual(await store.plug(plug), { mountPath: null })
        await store.plug(plug)
        await assert.rejects(store.remove(id), { kind: 'conflict' })
        assert.deepEqual(await store.holders(), [workloadId])
        await store.clear(workloadId)
        assert.deepEqual(await store.holders(), [])
        await store.remove(id)
        assert.deepEqual(await store.list(), [])
      }),
    )
  })
}
