/** Conformance: images come in and go out under the names they are given; events tell. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { uuid } from '#platform/ids/ids.ts'
import type { EngineEvent } from '#services/workloads/ports.ts'
import { eventually, ociLayoutOf, refuses, specOf, tarOf, type SuiteBench } from './suite-bench.ts'

export function imageTests(bench: SuiteBench): void {
  const { started, logText, finished, image } = bench

  describe('images', () => {
    test('import gives a reference and a command; inspect of nothing is undefined', async () => {
      const found = await bench.runtime.imageInspect(image)
      assert.ok(found, 'the imported image is there')
      assert.ok(found.tags.includes(image), JSON.stringify(found))
      assert.deepEqual(found.command, ['sleep', '3600'])
      assert.equal(found.hasCommand, true)
      assert.ok((await bench.runtime.imageList()).some((one) => one.tags.includes(image)))
      assert.equal(await bench.runtime.imageInspect('quaystone/nowhere:latest'), undefined)
    })

    test('a saved image loads under another name, twice, and the names inside the tar are not believed', async () => {
      const victim = `quaystone/${uuid()}:latest`
      await bench.runtime.imageImport(Readable.from(bench.under.rootTar), victim, ['CMD ["echo","evil"]'])
      const tar = await buffer(await bench.runtime.imageSave(victim))
      await bench.runtime.imageRemove(victim)
      const right = await bench.runtime.imageImport(Readable.from(bench.under.rootTar), victim, [
        'CMD ["echo","right"]',
      ])
      const copy = `quaystone/${uuid()}:latest`
      for (let time = 1; time <= 2; time++) {
        const [loaded] = await bench.runtime.imageLoad(Readable.from(tar), copy)
        assert.deepEqual(loaded?.command, ['echo', 'evil'])
        assert.ok(loaded.tags.includes(copy))
      }
      assert.equal((await bench.runtime.imageInspect(victim))?.id, right.id)
      const { id } = await bench.runtime.create(specOf(copy))
      await bench.runtime.start(id)
      await finished(id)
      assert.equal(await logText(id), 'evil\n')
    })

    test('an OCI layout loads, compressed too', async () => {
      for (const [how, compress] of [['plain', (tar: Buffer) => tar], ['gzip', gzipSync]] as const) {
        const reference = `quaystone/${uuid()}:latest`
        const tar = compress(await buffer(tarOf(ociLayoutOf(bench.under.rootTar, ['echo', how]))))
        const [loaded] = await bench.runtime.imageLoad(Readable.from([tar]), reference)
        assert.deepEqual(loaded?.command, ['echo', how])
        const { id } = await bench.runtime.create(specOf(reference))
        await bench.runtime.start(id)
        await finished(id)
        assert.equal(await logText(id), `${how}\n`)
      }
    })

    test('a tar that is no image is refused', async () => {
      await assert.rejects(bench.runtime.imageLoad(tarOf({ 'readme.txt': 'no image' })), refuses('badRequest'))
    })

    test('tag gives a second name, remove takes one and then the image', async () => {
      const first = `quaystone/${uuid()}:latest`, second = `quaystone/${uuid()}:latest`
      const { id } = await bench.runtime.imageImport(tarOf({ 'etc/unique': first }), first, ['CMD ["true"]'])
      await bench.runtime.imageTag(first, second)
      assert.equal((await bench.runtime.imageInspect(second))?.id, id)
      await bench.runtime.imageRemove(first)
      assert.equal(await bench.runtime.imageInspect(first), undefined)
      assert.equal((await bench.runtime.imageInspect(second))?.id, id)
      await bench.runtime.imageRemove(second)
      await bench.runtime.imageRemove(second)
      assert.equal(await bench.runtime.imageInspect(second), undefined)
    })

    test('an image in use is not removed', async () => {
      const used = `quaystone/${uuid()}:latest`
      await bench.runtime.imageImport(tarOf({ 'etc/unique': used }), used, ['CMD ["true"]'])
      await bench.runtime.create(specOf(used))
      await assert.rejects(bench.runtime.imageRemove(used), refuses('conflict'))
    })

    test('a commit keeps the user\'s command, and a container made of it is not taken for the first one', async () => {
      const { id, spec } = await started({ entrypoint: ['echo'], command: ['kept'] })
      await finished(id)
      const snapshot = `quaystone/${uuid()}:latest`
      const made = await bench.runtime.commit(id, snapshot, { note: 'snapshot' })
      assert.deepEqual([made.entrypoint, made.command], [['echo'], ['kept']])
      const again = specOf(snapshot)
      const second = await bench.runtime.create(again)
      await bench.runtime.start(second.id)
      await finished(second.id)
      assert.equal(await logText(second.id), 'kept\n')
      assert.deepEqual(await bench.runtime.create(spec), { id })
    })
  })

  describe('events', () => {
    test('watch begins with resync and tells of starts and deaths with the workload\'s id', async () => {
      const leave = new AbortController()
      const events: EngineEvent[] = []
      const watching = bench.runtime.watch((event) => events.push(event), leave.signal)
      await eventually('resync', () => events.some(({ kind, action }) => kind === 'daemon' && action === 'resync'))
      const { id, spec } = await started({ command: ['sh', '-c', 'exit 9'] })
      await eventually('die', () => events.some((event) => event.action === 'die' && event.containerId === id))
      const mine = events.filter((event) => event.containerId === id)
      assert.ok(mine.every((event) => event.workloadId === spec.workloadId && event.kind === 'container'))
      assert.ok(mine.findIndex(({ action }) => action === 'start') < mine.findIndex(({ action }) => action === 'die'))
      assert.equal(mine.find(({ action }) => action === 'die')?.exitCode, 9)
      leave.abort()
      await watching
    })

    test('info and ping', async () => {
      assert.equal(await bench.runtime.ping(), true)
      const info = await bench.runtime.info()
      assert.match(info.apiVersion, /^1\.\d\d$/)
      assert.ok(info.vcpus > 0 && info.ramMiB > 0 && info.diskGiB > 0, JSON.stringify(info))
    })
  })
}
