/** Images in quota, on both databases: what is counted when, who is refused, and that nothing stays counted. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { createBlobFiles } from '#drivers/objects-fs/blob-files.ts'
import { ManualClock } from '#platform/clock/clock.ts'
import { testDatabases, type TestDatabase } from '#platform/db/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { QuotaFacade } from '#services/quota/facade.ts'
import { migrations as quotaMigrations } from '#services/quota/store/migrations.ts'
import { quotaOver } from '#services/quota/testing.ts'
import type { Facades } from '#services/deps.ts'
import { tidyPlan } from '../controllers/tidy-data.ts'
import { heldFetch, imagesAlive } from '../store/held.ts'
import { imageFetch, imageMove, imageUpdate } from '../store/images.ts'
import { migrations } from '../store/migrations.ts'
import type { Image } from '../store/tables.ts'
import { ImageData, stagedKey } from './data.ts'
import { GlanceFront } from './glance-facade.ts'
import { ImageQuota } from './image-quota.ts'
import type { GlanceParts } from './images.ts'

const mib = 1_048_576
const bytes = (count: number): Buffer => Buffer.alloc(count, 7)

const openImages = async (database: TestDatabase, unsizedUploads: GlanceParts['unsizedUploads'] = 'refuse') => {
  const clock = new ManualClock()
  const folder = mkdtempSync(join(tmpdir(), 'quaystone-images-'))
  const db = await database.open({
    migrations: [
      { service: 'quota', migrations: quotaMigrations },
      { service: 'glance', migrations },
    ],
    clock,
  })
  const bench = quotaOver(
    db,
    clock,
    new Map([
      ['org', null],
      ['red', 'org'],
      ['blue', 'org'],
    ]),
  )
  const ports = { blobs: createBlobFiles(folder) } as GlanceParts['ports']
  const facades = { quota: bench.front as QuotaFacade } as Facades
  const parts: GlanceParts = { db, clock, ports, facades, unsizedUploads }
  const quota = new ImageQuota(parts)
  await quota.declare()
  const data = new ImageData(parts, quota)
  const glance = new GlanceFront(parts, data, quota)
  const close = async () => {
    await db.close()
    rmSync(folder, { recursive: true })
  }
  return { ...bench, parts, quota, data, glance, blobs: ports.blobs, clock, close, db }
}
type Images = Awaited<ReturnType<typeof openImages>>

const create = async ({ glance, db }: Images, ownerId: string): Promise<Image> => {
  const id = uuid()
  const plain = { containerFormat: 'bare', diskFormat: 'raw', minDiskGiB: 0, minRamMiB: 0, properties: {} }
  await glance.snapshotEnsure({ ...plain, id, ownerId, name: 'one' })
  return (await imageFetch(db, id))!
}
const limit = ({ front }: Images, projectId: string, limits: Record<string, number>) =>
  front.setLimits({
    projectId,
    limits: Object.fromEntries(Object.entries(limits).map(([k, v]) => [`image_${k}`, v])),
  })
const usageOf = async ({ quota }: Images, projectId: string): Promise<number[]> => {
  const usage = await quota.usage(projectId)
  return ['count_total', 'size_total', 'stage_total', 'count_uploading'].map((name) => usage[`image_${name}`]!.usage)
}
const assertCountsAgree = async ({ front }: Images) => assert.deepEqual(await front.owners.drifts(100), [])
const overLimit = { kind: 'overLimit' }

for (const database of testDatabases()) {
  const story = (about: string, work: (images: Images) => Promise<void>, mode?: GlanceParts['unsizedUploads']) =>
    test(`${database.name}: ${about}`, async () => {
      const images = await openImages(database, mode)
      try {
        await work(images)
        await assertCountsAgree(images)
      } finally {
        await images.close()
      }
    })

  story('nobody is limited until somebody limits, also below other projects', async (images) => {
    const image = await create(images, 'red')
    await images.data.store(image, Readable.from([bytes(3 * mib)]))
    assert.deepEqual(await usageOf(images, 'red'), [1, 3, 0, 0])
    assert.equal((await images.quota.usage('red')).image_size_total!.limit, -1)
  })

  story('one image too many is refused, makes no row, and fits once another is gone', async (images) => {
    await limit(images, 'org', { count_total: 1 })
    const first = await create(images, 'red')
    await assert.rejects(create(images, 'blue'), overLimit)
    assert.deepEqual(
      (await imagesAlive(images.db)).map(({ id }) => id),
      [first.id],
    )
    await images.glance.imageDelete(first.id)
    assert.deepEqual(await usageOf(images, 'red'), [0, 0, 0, 0])
    await create(images, 'blue')
  })

  story('a size that was said is kept before a byte is read, and refused as a whole', async (images) => {
    await limit(images, 'org', { size_total: 4 })
    const image = await create(images, 'red')
    const data = new PassThrough()
    await assert.rejects(images.data.store(image, data, 4 * mib + 1), overLimit)
    assert.equal((await imageFetch(images.db, image.id))!.status, 'queued')
    const storing = images.data.store(image, data, 4 * mib)
    data.end(bytes(4 * mib))
    await storing
    assert.deepEqual(await usageOf(images, 'red'), [1, 4, 0, 0])
    await assert.rejects(images.data.store(await create(images, 'blue'), Readable.from([bytes(1)]), 1), overLimit)
  })

  story('a size that was not said is refused where quota ends, and nothing of it stays', async (images) => {
    await limit(images, 'org', { size_total: 4 })
    const image = await create(images, 'red')
    const source = Readable.from(Array.from({ length: 9 }, () => bytes(mib)))
    await assert.rejects(images.data.store(image, source), overLimit)
    assert.equal(source.destroyed, false, 'who sent it may still be answered')
    assert.equal((await imageFetch(images.db, image.id))!.status, 'queued')
    assert.equal(await images.blobs.has(image.id), false)
    assert.deepEqual(await usageOf(images, 'red'), [1, 0, 0, 0])
    await images.data.store(image, Readable.from([bytes(4 * mib)]))
    assert.deepEqual(await usageOf(images, 'red'), [1, 4, 0, 0])
  })

  const asGlance = 'where the operator wants it as upstream, one upload of unknown size may end above the limit'
  story(
    asGlance,
    async (images) => {
      await limit(images, 'org', { size_total: 1 })
      const upload = async (mibs: number) => {
        const image = await create(images, 'org')
        await images.data.store(image, Readable.from(Array.from({ length: mibs }, () => bytes(mib))))
      }
      await assert.rejects(upload(2), overLimit, 'not even an empty project could have it')
      await upload(1)
      await upload(1)
      assert.equal((await usageOf(images, 'org'))[1], 2)
      await assert.rejects(upload(1), overLimit)
      await assert.rejects(images.data.store(await create(images, 'org'), Readable.from([bytes(1)]), 1), overLimit)
    },
    'finish',
  )

  story('a sender that breaks off leaves nothing counted', async (images) => {
    const image = await create(images, 'red')
    const source = new PassThrough()
    const storing = images.data.store(image, source)
    source.write(bytes(2 * mib))
    source.destroy()
    await assert.rejects(storing, /broke off/)
    assert.deepEqual(await usageOf(images, 'red'), [1, 0, 0, 0])
    assert.equal((await imageFetch(images.db, image.id))!.status, 'queued')
  })

  story('a killed process leaves what is counted and what is there equal, and is tidied up after', async (images) => {
    const [saving, staging, staged] = [
      await create(images, 'red'),
      await create(images, 'red'),
      await create(images, 'red'),
    ]
    await images.db.transaction(async (tx) => {
      for (const [image, event] of [
        [saving, 'saved'],
        [staging, 'staged'],
        [staged, 'staged'],
      ] as const)
        await images.quota.follow(tx, image.id, () => imageMove(tx, image.id, event, { seen_at: 5 }))
    })
    await images.quota.keep(saving, 'data', { wantedMiB: 7, mayComeMiB: 0 })
    await images.quota.keep(staging, 'staged', { wantedMiB: 3, mayComeMiB: 0 })
    await images.quota.write(staged.id, 'staged', 1, true)
    await images.blobs.write(stagedKey(staged.id), Readable.from([bytes(mib)]))
    await assertCountsAgree(images)
    assert.deepEqual(await usageOf(images, 'red'), [3, 23, 20, 3])
    const look = async (now: number, uploading = new Set<string>()) => {
      const world = { images: await imagesAlive(images.db), blobs: await images.blobs.list(), now }
      return tidyPlan(world, { uploading, alone: false, startedAt: 0 })
    }
    const [now, later] = [images.clock.now(), images.clock.now() + 11 * 60_000]
    assert.deepEqual(await look(now), [], 'others may still be at it')
    assert.deepEqual(await look(later, new Set([saving.id, staging.id])), [])
    const steps = await look(later)
    const wanted = [saving.id, staging.id].toSorted()
    assert.deepEqual(steps.map((step) => (step.do === 'give-up' ? step.imageId : step.key)).toSorted(), wanted)
    for (const id of wanted) await images.data.fail(id)
    assert.deepEqual(await usageOf(images, 'red'), [3, 0, 1, 1])
  })

  story('only so many may be on the way at once', async (images) => {
    await limit(images, 'org', { count_uploading: 1 })
    const [first, second] = [await create(images, 'red'), await create(images, 'red')]
    const source = new PassThrough()
    const storing = images.data.store(first, source)
    source.write(bytes(10))
    while ((await usageOf(images, 'red'))[3] === 0) await new Promise(setImmediate)
    await assert.rejects(images.data.store(second, Readable.from([bytes(10)])), overLimit)
    source.end()
    await storing
    await images.data.store(second, Readable.from([bytes(10)]))
    assert.deepEqual(await usageOf(images, 'red'), [2, 2, 0, 0])
  })

  story('an image that is deleted while its data comes ends the upload, and holds nothing', async (images) => {
    const image = await create(images, 'red')
    const source = new PassThrough()
    const storing = images.data.store(image, source)
    source.write(bytes(mib))
    while ((await usageOf(images, 'red'))[1] === 0) await new Promise(setImmediate)
    await images.glance.imageDelete(image.id)
    source.end(bytes(40 * mib))
    await assert.rejects(storing, { kind: 'gone' })
    assert.deepEqual(await usageOf(images, 'red'), [0, 0, 0, 0])
    assert.equal(await images.blobs.has(image.id), false)
  })

  story('an image that changes hands is counted where it goes, or stays', async (images) => {
    await limit(images, 'blue', { size_total: 2 })
    const [small, large] = [await create(images, 'red'), await create(images, 'red')]
    await images.data.store(small, Readable.from([bytes(mib)]))
    await images.data.store(large, Readable.from([bytes(2 * mib)]))
    const give = (id: string) =>
      images.db.transaction((tx) =>
        images.quota.follow(tx, id, async () => imageUpdate(tx, { ...(await imageFetch(tx, id))!, ownerId: 'blue' })),
      )
    await give(small.id)
    await assert.rejects(give(large.id), overLimit)
    assert.equal((await heldFetch(images.db, large.id))!.ownerId, 'red')
    assert.deepEqual(
      [await usageOf(images, 'red'), await usageOf(images, 'blue')],
      [
        [1, 2, 0, 0],
        [1, 1, 0, 0],
      ],
    )
  })

  story('what was never counted, or is counted for nobody, is put right from the rows', async (images) => {
    const image = await create(images, 'red')
    await images.data.store(image, Readable.from([bytes(2 * mib)]))
    await images.db.transaction(async (tx) => {
      await images.front.release(tx, { projectId: 'red', subject: `glance:image:${image.id}` })
      const nobody = { projectId: 'red', subject: `glance:image:${uuid()}`, deltas: { image_count_total: 1 } }
      await images.front.reserve(tx, { ...nobody, started: true })
    })
    const drifts = await images.front.owners.drifts(100)
    assert.equal(drifts.length, 2)
    for (const drift of drifts) await images.front.owners.repair(drift)
    assert.deepEqual(await usageOf(images, 'red'), [1, 2, 0, 0])
  })
}
