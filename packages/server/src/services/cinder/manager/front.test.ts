/** What services above Cinder rely on: orders made once, and an attachment's steps with what follows from each. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import { CinderBench, projectId } from '../testing/cinder-bench.ts'
import { runVolumes } from '../controllers/run-volumes.ts'
import { Attachments } from './attachments.ts'
import { CinderFront } from './front.ts'
import { Leaks } from './leaks.ts'
import { Quotas } from './quotas.ts'
import { Types } from './types.ts'
import { VolumeActions } from './volume-actions.ts'
import { VolumeCreate } from './volume-create.ts'
import { Volumes } from './volumes.ts'

const viewer = { projectId, isAdmin: false }
const at = { hostName: 'near', device: '/dev/vdb' }

const frontOver = ({ parts }: CinderBench): CinderFront => {
  const quotas = new Quotas(parts)
  const types = new Types(parts, quotas)
  const create = new VolumeCreate(parts, types, quotas)
  const volumes = new Volumes(parts, create)
  const actions = new VolumeActions(parts, { volumes, types, quotas })
  return new CinderFront({ volumes, create, actions, attachments: new Attachments(parts), leaks: new Leaks(parts) })
}

for (const database of testDatabases()) {
  describe(`Cinder for others on ${database.name}`, () => {
    let bench: CinderBench
    let front: CinderFront
    beforeEach(async () => {
      bench = await CinderBench.open(database)
      front = frontOver(bench)
    })
    afterEach(() => bench.db.close())

    const statusOf = async (id: string) => (await front.volumeFetch(bench.db, id))?.status
    const tx = transactionOf(() => bench)
    const work = async () => {
      const controller = runVolumes(bench.work())
      for (const volume of controller.plan(await controller.observe(10))) await controller.act(volume)
    }

    test('an ordered volume is made once, with its claim, and deleted once', async () => {
      const id = uuid()
      const order = { id, projectId, userId: 'u', name: 'data', sizeGiB: 2, hostName: 'far' }
      const prepared = await front.volumePrepare(order, viewer)
      await tx((one) => front.volumeEnsure(one, prepared))
      await tx((one) => front.volumeEnsure(one, prepared))
      assert.deepEqual([...bench.quota.held.keys()], [`cinder:volume:${id}`])
      await work()
      const volume = (await front.volumeFetch(bench.db, id, viewer))!
      assert.deepEqual([volume.status, volume.hostName, volume.sizeGiB], ['available', 'far', 2])
      assert.equal(await front.volumeFetch(bench.db, id, { projectId: 'other', isAdmin: false }), undefined)
      await tx((one) => front.volumeDelete(one, id))
      await tx((one) => front.volumeDelete(one, id))
      await work()
      await tx((one) => front.volumeDelete(one, id))
      assert.equal(await front.volumeFetch(bench.db, id), undefined)
      assert.equal(bench.quota.held.size, 0)
    })

    test('an attachment goes from reserved to gone, each step as often as it is asked', async () => {
      const { id: volumeId } = await bench.stored({})
      const asked = { id: uuid(), volumeId, serverId: uuid() }
      const twice = async (step: Parameters<typeof tx>[0]) => {
        await tx(step)
        await tx(step)
      }
      await twice((one) => front.attachmentReserve(one, asked, viewer))
      assert.equal(await statusOf(volumeId), 'reserved')
      await twice((one) => front.attachmentBegin(one, asked.id, at))
      assert.equal(await statusOf(volumeId), 'attaching')
      await twice((one) => front.attachmentComplete(one, asked.id))
      assert.equal(await statusOf(volumeId), 'in-use')
      const [attachment] = await front.attachmentsOf(bench.db, asked.serverId)
      assert.deepEqual(
        [attachment?.device, attachment?.hostName, attachment?.status],
        ['/dev/vdb', 'near', 'attached'],
      )
      await twice((one) => front.detachBegin(one, asked.id))
      assert.equal(await statusOf(volumeId), 'detaching')
      await twice((one) => front.detachUndo(one, asked.id))
      assert.equal(await statusOf(volumeId), 'in-use')
      await tx((one) => front.detachBegin(one, asked.id))
      await twice((one) => front.attachmentRelease(one, asked.id))
      assert.equal(await statusOf(volumeId), 'available')
      assert.deepEqual(await front.attachmentsOf(bench.db, asked.serverId), [])
    })

    test('nobody gets what another holds, and a volume in use is not deleted', async () => {
      const { id: volumeId } = await bench.stored({})
      const mine = { id: uuid(), volumeId, serverId: uuid() }
      await tx((one) => front.attachmentReserve(one, mine, viewer))
      const theirs = { id: uuid(), volumeId, serverId: uuid() }
      await assert.rejects(
        tx((one) => front.attachmentReserve(one, theirs, viewer)),
        {
          kind: 'badRequest',
          message: /must be available or downloading to reserve, but the current status is reserved/,
        },
      )
      await assert.rejects(
        tx((one) => front.attachmentReserve(one, theirs, { projectId: 'other', isAdmin: false })),
        { kind: 'notFound' },
      )
      await assert.rejects(
        tx((one) => front.volumeDelete(one, volumeId)),
        { kind: 'badRequest' },
      )
      await tx((one) => front.attachmentRelease(one, mine.id))
      await tx((one) => front.attachmentReserve(one, theirs, viewer))
      assert.equal(await statusOf(volumeId), 'reserved')
    })

    test('a volume that may be shared stays in use until the last lets go', async () => {
      const { id: volumeId } = await bench.stored({ multiattach: true })
      const ids = [uuid(), uuid()]
      for (const id of ids) {
        await tx((one) => front.attachmentReserve(one, { id, volumeId, serverId: uuid() }, viewer))
        await tx((one) => front.attachmentBegin(one, id, at))
        await tx((one) => front.attachmentComplete(one, id))
      }
      await tx((one) => front.detachBegin(one, ids[0]!))
      await tx((one) => front.attachmentRelease(one, ids[0]!))
      assert.equal(await statusOf(volumeId), 'in-use')
      await tx((one) => front.attachmentRelease(one, ids[1]!))
      assert.equal(await statusOf(volumeId), 'available')
    })

    test('a reserved volume is brought to the host that wants it, and is plugged in nowhere else', async () => {
      const { id: volumeId } = await bench.stored({}, 'precious')
      const asked = { id: uuid(), volumeId, serverId: uuid() }
      await tx((one) => front.attachmentReserve(one, asked, viewer))
      const there = { hostName: 'far', device: '/dev/vdb' }
      await assert.rejects(
        tx((one) => front.attachmentBegin(one, asked.id, there)),
        { kind: 'conflict' },
      )
      await tx((one) => front.volumeMove(one, volumeId, 'far'))
      await tx((one) => front.volumeMove(one, volumeId, 'far'))
      assert.equal((await front.volumeFetch(bench.db, volumeId))!.movingTo, 'far')
      await work()
      await work()
      const { hostName, movingTo, status } = (await front.volumeFetch(bench.db, volumeId))!
      assert.deepEqual({ hostName, movingTo, status }, { hostName: 'far', movingTo: null, status: 'reserved' })
      assert.equal(bench.stores.far.kept.get(volumeId)!.data.toString(), 'precious')
      await tx((one) => front.attachmentBegin(one, asked.id, there))
    })

    test('a volume with snapshots does not move, and says why', async () => {
      const { id: volumeId } = await bench.stored({})
      await bench.snapshot({ volumeId })
      await assert.rejects(
        tx((one) => front.volumeMove(one, volumeId, 'far')),
        { message: /with 1 snapshots/ },
      )
    })

    test('what no row wants is found on its host, and taken away', async () => {
      const { id: kept } = await bench.stored({})
      const [lost, taken] = [uuid(), uuid()]
      bench.stores.far.kept.set(lost, { kind: 'volume', sizeBytes: 1, data: Buffer.from('x') })
      bench.stores.near.kept.set(taken, { kind: 'snapshot', volumeId: kept, sizeBytes: 1, data: Buffer.from('x') })
      const { leaks, silent } = await front.volumeLeaks()
      assert.deepEqual(silent, [])
      assert.deepEqual(leaks.map(({ host, kind, id }) => `${host} ${kind} ${id}`).sort(), [
        `far volume ${lost}`,
        `near snapshot ${taken}`,
      ])
      await front.volumeLeaksReap()
      assert.deepEqual([(await front.volumeLeaks()).leaks, bench.stores.near.kept.has(kept)], [[], true])
    })
  })
}

/** One transaction of whichever bench there is now. */
function transactionOf(bench: () => CinderBench) {
  return <Value>(step: Parameters<CinderBench['db']['transaction']>[0]): Promise<Value> =>
    bench().db.transaction(step) as Promise<Value>
}
