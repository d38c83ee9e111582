/** The loops: volumes and snapshots become what their rows ask for, whenever the process dies. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { controllerSuite } from '#platform/controllers/testing.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { badRequest, unavailable } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { backupFetch } from '../store/backups.ts'
import { snapshotFetch } from '../store/snapshots.ts'
import { volumeFetch } from '../store/volumes.ts'
import { CinderBench } from '../testing/cinder-bench.ts'
import { runBackups } from './run-backups.ts'
import { runSnapshots } from './run-snapshots.ts'
import { runVolumes } from './run-volumes.ts'

const database = testDatabases()[0]!

controllerSuite({
  name: 'cinder.volumes',
  make: async () => {
    const bench = await CinderBench.open(database)
    const source = await bench.stored({}, 'source')
    const image = uuid()
    bench.images.set(image, 'from the image')
    const imageMetadata = { disk_format: 'raw' }
    const blank = await bench.volume({ status: 'creating', task: { do: 'create' } })
    const clone = await bench.volume({
      status: 'creating',
      task: { do: 'create' },
      sourceId: source.id,
      hostName: 'near',
    })
    const filled = await bench.volume({ status: 'creating', task: { do: 'create' }, imageId: image, imageMetadata })
    const grown = await bench.stored({ status: 'extending', task: { do: 'extend', sizeGiB: 2 } })
    const moved = await bench.stored(
      { status: 'reserved', previousStatus: 'reserved', task: { do: 'move', hostName: 'far' } },
      'moved',
    )
    const gone = await bench.stored({
      status: 'deleting',
      task: { do: 'delete' },
      charges: [{ subject: 'claim', amounts: { volumes: 1 } }],
    })
    bench.quota.held.set('claim', { volumes: 1 })
    const kept = await bench.backup({ volumeId: source.id, status: 'restoring' })
    bench.backups.set(kept.id, gzipSync('from the backup'))
    const emptied = { do: 'restore' as const, backupId: kept.id }
    const restored = await bench.stored({ status: 'restoring-backup', task: emptied }, 'before')
    const made = await bench.backup({ volumeId: '', status: 'creating' })
    const order = { do: 'backup' as const, backupId: made.id, snapshotId: null }
    const saved = await bench.stored({ status: 'backing-up', previousStatus: 'in-use', task: order }, 'saved')
    return {
      db: bench.db,
      controller: () => runVolumes(bench.work()),
      effects: () => bench.effects(),
      dieAfterEffect: (n) => (bench.diary.deathAt = n),
      assertDone: async () => {
        const { near, far } = bench.stores
        const seen = async (id: string) => (await volumeFetch(bench.db, id))!
        for (const { id } of [blank, clone, filled, grown]) {
          const { status, task } = await seen(id)
          assert.deepEqual({ status, task }, { status: 'available', task: null })
        }
        const bytes = (id: string) => (near.kept.get(id) ?? far.kept.get(id))!.data.toString()
        assert.deepEqual([bytes(clone.id), bytes(filled.id)], ['source', 'from the image'])
        assert.equal(near.kept.get(grown.id)!.sizeBytes, 2 * 2 ** 30)
        const { hostName, status, task } = await seen(moved.id)
        assert.deepEqual({ hostName, status, task }, { hostName: 'far', status: 'reserved', task: null })
        assert.deepEqual([near.kept.has(moved.id), far.kept.get(moved.id)!.data.toString()], [false, 'moved'])
        assert.equal(await volumeFetch(bench.db, gone.id), undefined)
        assert.deepEqual([near.kept.has(gone.id), bench.quota.held.has('claim')], [false, false])
        assert.deepEqual([(await seen(restored.id)).status, bytes(restored.id)], ['available', 'from the backup'])
        assert.deepEqual([(await seen(saved.id)).status, near.kept.has(made.id)], ['in-use', false])
        assert.equal(gunzipSync(bench.backups.get(made.id)!).toString(), 'saved')
        for (const { id } of [kept, made]) assert.equal((await backupFetch(bench.db, id))!.status, 'available')
      },
      close: () => bench.db.close(),
    }
  },
})

controllerSuite({
  name: 'cinder.snapshots',
  make: async () => {
    const bench = await CinderBench.open(database)
    const volume = await bench.stored({}, 'then')
    const taken = await bench.snapshot({ volumeId: volume.id, status: 'creating', task: 'create' })
    const gone = await bench.snapshot({ volumeId: volume.id, status: 'deleting', task: 'delete' })
    bench.stores.near.kept.set(gone.id, {
      kind: 'snapshot',
      volumeId: volume.id,
      sizeBytes: 1,
      data: Buffer.alloc(0),
    })
    bench.quota.held.set(`cinder:snapshot:${gone.id}`, { snapshots: 1 })
    return {
      db: bench.db,
      controller: () => runSnapshots(bench.work()),
      effects: () => bench.effects(),
      dieAfterEffect: (n) => (bench.diary.deathAt = n),
      assertDone: async () => {
        assert.equal((await snapshotFetch(bench.db, taken.id))!.status, 'available')
        assert.equal(bench.stores.near.kept.get(taken.id)!.data.toString(), 'then')
        assert.equal(await snapshotFetch(bench.db, gone.id), undefined)
        assert.deepEqual([bench.stores.near.kept.has(gone.id), bench.quota.held.size], [false, 0])
      },
      close: () => bench.db.close(),
    }
  },
})

controllerSuite({
  name: 'cinder.backups',
  make: async () => {
    const bench = await CinderBench.open(database)
    const gone = await bench.backup({ volumeId: 'v', status: 'deleting', task: 'delete' })
    bench.backups.set(gone.id, Buffer.from('x'))
    bench.quota.held.set(`cinder:backup:${gone.id}`, { backups: 1 })
    return {
      db: bench.db,
      controller: () => runBackups(bench.work()),
      effects: () => bench.effects(),
      dieAfterEffect: (n) => (bench.diary.deathAt = n),
      assertDone: async () => {
        assert.equal(await backupFetch(bench.db, gone.id), undefined)
        assert.deepEqual([bench.backups.size, bench.quota.held.size], [0, 0])
      },
      close: () => bench.db.close(),
    }
  },
})

describe('what cannot be done', () => {
  const run = async (bench: CinderBench, passes = 1) => {
    const controller = runVolumes(bench.work())
    for (let pass = 0; pass < passes; pass++) {
      for (const volume of controller.plan(await controller.observe(10))) await controller.act(volume)
    }
  }

  test('growth that a host refuses is given back, and said', async () => {
    const bench = await CinderBench.open(database)
    const charges = [
      { subject: 'base', amounts: { gigabytes: 1 } },
      { subject: '', amounts: { gigabytes: 1 } },
    ]
    const volume = await bench.stored({ status: 'extending', task: { do: 'extend', sizeGiB: 2 }, charges })
    charges[1]!.subject = `cinder:volume:${volume.id}:extend:2`
    bench.quota.held.set(charges[1]!.subject, { gigabytes: 1 })
    bench.stores.near.extend = async () => {
      throw badRequest('The disk says no')
    }
    await run(bench)
    const { status, task, sizeGiB } = (await volumeFetch(bench.db, volume.id))!
    assert.deepEqual({ status, task, sizeGiB }, { status: 'error_extending', task: null, sizeGiB: 1 })
    assert.equal(bench.quota.held.size, 0)
    const [message] = await bench.work().messages.list({ resource_id: volume.id }, {})
    assert.match(message!.text, /The disk says no/)
    await bench.db.close()
  })

  test('a host out of reach is waited for, and tried again', async () => {
    const bench = await CinderBench.open(database)
    const volume = await bench.stored({ status: 'extending', task: { do: 'extend', sizeGiB: 2 } })
    const extend = bench.stores.near.extend.bind(bench.stores.near)
    bench.stores.near.extend = async () => {
      throw unavailable('no answer')
    }
    for (let tries = 0; tries < 12; tries++) await assert.rejects(run(bench), { kind: 'unavailable' })
    assert.equal((await volumeFetch(bench.db, volume.id))!.status, 'extending')
    bench.stores.near.extend = extend
    await run(bench)
    assert.equal((await volumeFetch(bench.db, volume.id))!.sizeGiB, 2)
    await bench.db.close()
  })

  test('a volume waits for a host that was heard of and is not reached yet, not for a silent one', async () => {
    const bench = await CinderBench.open(database)
    bench.reached.clear()
    const volume = await bench.volume({ status: 'creating', task: { do: 'create' } })
    await assert.rejects(run(bench), { kind: 'unavailable' })
    assert.equal((await volumeFetch(bench.db, volume.id))!.status, 'creating')
    bench.clock.advance(60_000)
    await run(bench)
    assert.equal((await volumeFetch(bench.db, volume.id))!.status, 'error')
    await bench.db.close()
  })

  test('a volume that another is copied from is kept until it is copied', async () => {
    const bench = await CinderBench.open(database)
    const source = await bench.stored({ status: 'deleting', task: { do: 'delete' } }, 'source')
    const copy = await bench.volume({
      status: 'creating',
      task: { do: 'create' },
      sourceId: source.id,
      hostName: 'near',
    })
    await run(bench)
    assert.equal((await volumeFetch(bench.db, copy.id))!.status, 'available')
    assert.ok(await volumeFetch(bench.db, source.id))
    await run(bench)
    assert.equal(await volumeFetch(bench.db, source.id), undefined)
    await bench.db.close()
  })

  test('a backup that nothing packs says why, and leaves nothing on the host', async () => {
    const bench = await CinderBench.open(database)
    const { id } = await bench.backup({ volumeId: 'v', status: 'creating' })
    const task = { do: 'backup' as const, backupId: id, snapshotId: null }
    const volume = await bench.stored({ status: 'backing-up', task })
    const refuse = async () => {
      throw badRequest('The disk for backups is full')
    }
    const backups = { ...bench.work().backups, write: refuse }
    const controller = runVolumes({ ...bench.work(), backups })
    for (const waiting of controller.plan(await controller.observe(10))) await controller.act(waiting)
    const backup = (await backupFetch(bench.db, id))!
    assert.deepEqual([backup.status, backup.failReason], ['error', 'The disk for backups is full'])
    assert.equal((await volumeFetch(bench.db, volume.id))!.status, 'available')
    assert.equal(bench.stores.near.kept.has(id), false)
    await bench.db.close()
  })

  test("an operator's word about the status stays, and the work is done all the same", async () => {
    const bench = await CinderBench.open(database)
    const volume = await bench.stored({ status: 'error', task: { do: 'extend', sizeGiB: 2 } })
    await run(bench)
    const { status, task, sizeGiB } = (await volumeFetch(bench.db, volume.id))!
    assert.deepEqual({ status, task, sizeGiB }, { status: 'error', task: null, sizeGiB: 2 })
    await bench.db.close()
  })
})
