/** Volumes on a real kernel: sizes, copies, mounts that a container sees, and death at any point. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { uuid } from '#platform/ids/ids.ts'
import { silentLog } from '#platform/log/log.ts'
import { volumeStoreSuite } from './volume-store-suite.ts'
import { HostVolumes } from './host-volumes.ts'
import { loopEnsure } from './loops.ts'
import { markedVolumes, removeVolumes } from './marked.ts'
import { isMounted } from './mounts.ts'
import { mebibyte, volumesAreMissing, VolumesLab } from './testing.ts'
import { run } from './tools.ts'

const skip = volumesAreMissing

volumeStoreSuite('HostVolumes', skip, async () => {
  const lab = new VolumesLab()
  return { store: lab.store, close: () => lab[Symbol.asyncDispose]() }
})

const slotOf = (lab: VolumesLab, workloadId: string, name = 'vdb') =>
  join(lab.folder, 'store', 'slots', workloadId, name)
const fileOf = (lab: VolumesLab, id: string) => join(lab.folder, 'store', 'files', `${id}.volume`)
const plugOf = (volumeId: string, workloadId: string, pid = 0) =>
  ({ volumeId, workloadId, pid, device: '/dev/vdb', use: 'auto', readOnly: false }) as const

test(
  'a blank volume is mounted, keeps its data from one container to the next, and is no larger than asked',
  {
    skip,
  },
  async () => {
    await using lab = new VolumesLab()
    const volumeId = await lab.volume(16 * mebibyte)
    const [first, second] = [uuid(), uuid()]
    {
      await using box = await lab.box(first)
      assert.deepEqual(await lab.store.plug(plugOf(volumeId, first, box.pid)), { mountPath: '/mnt/volumes/vdb' })
      const inside = `/proc/${box.pid}/root/mnt/volumes/vdb`
      writeFileSync(`${inside}/note`, 'kept')
      assert.ok(!existsSync(`${inside}/lost+found`))
      assert.throws(() => writeFileSync(`${inside}/big`, Buffer.alloc(20 * mebibyte)), { code: 'ENOSPC' })
    }
    await lab.store.clear(first)
    assert.deepEqual(lab.devices(), [])
    await using box = await lab.box(second)
    await lab.store.plug(plugOf(volumeId, second, box.pid))
    assert.equal(readFileSync(`/proc/${box.pid}/root/mnt/volumes/vdb/note`, 'utf8'), 'kept')
  },
)

test('a volume in use is not taken out, and nothing of it is lost', { skip }, async () => {
  await using lab = new VolumesLab()
  const [volumeId, workloadId] = [await lab.volume(), uuid()]
  await using box = await lab.box(workloadId)
  await lab.store.plug(plugOf(volumeId, workloadId, box.pid))
  const path = `/proc/${box.pid}/root/mnt/volumes/vdb/file`
  {
    await using file = await open(path, 'w')
    await assert.rejects(lab.store.unplug({ volumeId, workloadId }), { kind: 'conflict' })
    await file.write('still here')
  }
  assert.equal(readFileSync(path, 'utf8'), 'still here')
  await assert.rejects(lab.store.remove(volumeId), { kind: 'conflict' })
  await lab.store.unplug({ volumeId, workloadId })
  assert.ok(!existsSync(path))
  assert.deepEqual(lab.devices(), [])
})

test('a container that was made without its slot is told what to do', { skip }, async () => {
  await using lab = new VolumesLab()
  const [volumeId, workloadId] = [await lab.volume(), uuid()]
  await lab.store.slot(workloadId)
  await assert.rejects(lab.store.plug(plugOf(volumeId, workloadId, process.pid)), /rebuild it/)
})

test(
  'an extended volume grows with its file system, at the latest when it is next plugged in',
  { skip },
  async () => {
    await using lab = new VolumesLab()
    const [volumeId, workloadId] = [await lab.volume(16 * mebibyte), uuid()]
    const plug = plugOf(volumeId, workloadId)
    await lab.store.plug(plug)
    writeFileSync(join(slotOf(lab, workloadId), 'note'), 'kept')
    await lab.store.extend(volumeId, 48 * mebibyte)
    await lab.store.unplug(plug)
    await lab.store.plug(plug)
    const { bsize, blocks } = statfsSync(slotOf(lab, workloadId))
    assert.ok(bsize * blocks > 32 * mebibyte, `${bsize * blocks} bytes`)
    assert.equal(readFileSync(join(slotOf(lab, workloadId), 'note'), 'utf8'), 'kept')
    await lab.store.unplug(plug)
  },
)

test('a snapshot of a mounted volume is whole, and reverting brings it back', { skip }, async () => {
  await using lab = new VolumesLab()
  const [volumeId, snapshotId, workloadId, copyId] = [await lab.volume(), uuid(), uuid(), uuid()]
  await lab.store.plug(plugOf(volumeId, workloadId))
  const note = join(slotOf(lab, workloadId), 'note')
  writeFileSync(note, 'before')
  await lab.store.snapshotCreate({ id: snapshotId, volumeId })
  writeFileSync(note, 'after')
  await lab.store.create({ id: copyId, sizeBytes: 16 * mebibyte }, { kind: 'snapshot', snapshotId })
  const other = uuid()
  await lab.store.plug(plugOf(copyId, other))
  assert.equal(readFileSync(join(slotOf(lab, other), 'note'), 'utf8'), 'before')
  await assert.rejects(lab.store.revert(volumeId, snapshotId), { kind: 'conflict' })
  await lab.store.clear(workloadId)
  await lab.store.revert(volumeId, snapshotId)
  await lab.store.plug(plugOf(volumeId, workloadId))
  assert.equal(readFileSync(note, 'utf8'), 'before')
})

test('after a reboot everything is put back, and what nobody holds is let go', { skip }, async () => {
  await using lab = new VolumesLab()
  const [volumeId, workloadId, strayId] = [await lab.volume(), uuid(), await lab.volume()]
  await lab.store.plug(plugOf(volumeId, workloadId))
  writeFileSync(join(slotOf(lab, workloadId), 'note'), 'kept')
  await lab.store.unplug({ volumeId, workloadId })
  // As a power cut leaves it: the record is there, and neither mount nor device.
  const hold = join(lab.folder, 'store', 'holds', `${volumeId}.${workloadId}.json`)
  writeFileSync(hold, JSON.stringify(plugOf(volumeId, workloadId)))
  const stray = await loopEnsure(fileOf(lab, strayId))
  writeFileSync(`${fileOf(lab, strayId)}.${uuid()}.part`, 'half')
  await lab.process().restore()
  assert.equal(readFileSync(join(slotOf(lab, workloadId), 'note'), 'utf8'), 'kept')
  assert.ok(!lab.devices().includes(stray.device))
  assert.deepEqual((await lab.process().list()).map(({ id }) => id).sort(), [volumeId, strayId].sort())
})

test('killed while it took a volume out, the next process finishes', { skip }, async () => {
  await using lab = new VolumesLab()
  const [volumeId, workloadId] = [await lab.volume(), uuid()]
  await lab.store.plug(plugOf(volumeId, workloadId))
  const point = slotOf(lab, workloadId)
  // Unmounted, and dead before the device was freed and the record removed.
  await run('umount', point)
  const next = lab.process()
  await next.unplug({ volumeId, workloadId })
  assert.ok(!isMounted(point))
  assert.deepEqual(lab.devices(), [])
  await next.remove(volumeId)
  assert.deepEqual(await next.list(), [])
})

test('what is neither blank nor a file system is never formatted', { skip }, async () => {
  await using lab = new VolumesLab()
  const [volumeId, workloadId] = [uuid(), uuid()]
  const data = Buffer.alloc(mebibyte, 'database')
  await lab.store.createFrom({ id: volumeId, sizeBytes: 16 * mebibyte }, Readable.from([data]), 'raw')
  assert.deepEqual(await lab.store.plug(plugOf(volumeId, workloadId)), { mountPath: null })
  await lab.store.unplug({ volumeId, workloadId })
  assert.deepEqual((await buffer(await lab.store.read(volumeId))).subarray(0, mebibyte), data)
})

test('a device whose file is gone is seen and freed', { skip }, async () => {
  await using lab = new VolumesLab()
  const volumeId = await lab.volume()
  await loopEnsure(fileOf(lab, volumeId))
  rmSync(fileOf(lab, volumeId))
  assert.deepEqual(
    (await lab.store.list()).map(({ id }) => id),
    [volumeId],
  )
  await lab.store.remove(volumeId)
  assert.deepEqual(lab.devices(), [])
})

test('files are sparse, also those written from a stream of zeros', { skip }, async () => {
  await using lab = new VolumesLab()
  const id = uuid()
  const zeros = Array.from({ length: 64 }, () => Buffer.alloc(mebibyte))
  await lab.store.createFrom({ id, sizeBytes: 64 * mebibyte }, Readable.from(zeros), 'raw')
  assert.equal((await stat(fileOf(lab, id))).blocks, 0)
})

test('a cloud that leaves the machine leaves nothing mounted or attached, and its volumes', { skip }, async () => {
  await using lab = new VolumesLab()
  const [volumeId, workloadId] = [await lab.volume(), uuid()]
  await lab.store.plug(plugOf(volumeId, workloadId))
  await lab.store.letGo()
  assert.deepEqual(lab.devices(), [])
  assert.ok(!isMounted(join(lab.folder, 'store', 'slots')))
  assert.deepEqual(
    (await lab.store.list()).map(({ id }) => id),
    [volumeId],
  )
})

test('what a dead cloud left is found by its mark, and removed', { skip }, async () => {
  await using lab = new VolumesLab()
  const mark = uuid().slice(0, 8)
  const dead = new HostVolumes({ folder: join(lab.folder, `quaystone-${mark}`), clock: systemClock, log: silentLog })
  const [id, workloadId] = [uuid(), uuid()]
  await dead.create({ id, sizeBytes: 16 * mebibyte }, { kind: 'blank' })
  await dead.plug(plugOf(id, workloadId))
  const left = () => markedVolumes().filter(({ tag }) => tag === mark)
  assert.deepEqual(new Set(left().map(({ kind }) => kind)), new Set(['mount', 'loop']))
  const things = left()
  await removeVolumes(things, systemClock)
  await removeVolumes(things, systemClock)
  assert.deepEqual(left(), [])
})
