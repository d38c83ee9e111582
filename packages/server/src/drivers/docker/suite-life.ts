/** Conformance: containers are made once, live, pause, stop and go. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { uuid } from '#platform/ids/ids.ts'
import { labels } from '#services/workloads/ports.ts'
import { refuses, specOf, type SuiteBench } from './suite-bench.ts'

export function lifeTests(bench: SuiteBench): void {
  const { created, started, finished, image } = bench

  describe('create', () => {
    test('makes a container that does not run, and says what it is', async () => {
      const { id, spec } = await created({ command: ['sleep', '77'], labels: { colour: 'red' } })
      const status = await bench.runtime.inspect(id)
      assert.equal(status.state, 'created')
      assert.equal(status.pid, 0)
      assert.equal(status.name, spec.name)
      assert.equal(status.workloadId, spec.workloadId)
      assert.equal(status.image, image)
      assert.equal(status.labels['colour'], 'red')
      assert.equal(status.labels[labels.workload], spec.workloadId)
      assert.deepEqual(status.command, ['sleep', '77'])
      assert.equal(status.gated, true)
      assert.equal(status.networkMode, 'none')
    })

    test('returns the container that the workload has already, after a rename and to two callers at once', async () => {
      const { id, spec } = await created()
      await bench.runtime.rename(id, `${spec.name}-renamed`)
      assert.deepEqual(await bench.runtime.create(spec), { id })
      const twice = specOf(image)
      const [first, second] = await Promise.all([bench.runtime.create(twice), bench.runtime.create(twice)])
      assert.deepEqual(first, second)
      assert.equal((await bench.runtime.list()).filter((one) => one.workloadId === twice.workloadId).length, 1)
    })

    test('refuses an image that is not there', async () => {
      await assert.rejects(
        bench.runtime.create(specOf('quaystone/nowhere:latest')),
        refuses('notFound', /quaystone\/nowhere/),
      )
    })

    test('refuses an image without a command, unless one is given', async () => {
      const bare = `quaystone/${uuid()}:latest`
      const { hasCommand } = await bench.runtime.imageImport(Readable.from(bench.under.rootTar), bare, [])
      assert.equal(hasCommand, false)
      await assert.rejects(bench.runtime.create(specOf(bare)), refuses('badRequest', /neither ENTRYPOINT nor CMD/))
      await bench.runtime.create(specOf(bare, { command: ['true'] }))
    })

    test('refuses a name that another workload has', async () => {
      const { spec } = await created()
      await assert.rejects(
        bench.runtime.create(specOf(image, { name: spec.name })),
        refuses('conflict', new RegExp(spec.name)),
      )
    })

    test('an entrypoint of the spec drops the image\'s command', async () => {
      const { id } = await created({ entrypoint: ['echo', 'entry'] })
      assert.deepEqual((await bench.runtime.inspect(id)).command, ['echo', 'entry'])
    })
  })

  describe('life', () => {
    test('stop ends it, twice is no error, start brings it back', async () => {
      const { id } = await started({ command: ['sleep', '3600'] })
      await bench.runtime.stop(id, 0)
      await bench.runtime.stop(id, 0)
      const stopped = await bench.runtime.inspect(id)
      assert.equal(stopped.state, 'exited')
      assert.equal(stopped.pid, 0)
      assert.ok(stopped.finishedAt)
      assert.equal((await bench.runtime.start(id)).state, 'running')
    })

    test('paused is paused, not running', async () => {
      const { id } = await started()
      await bench.runtime.pause(id)
      await bench.runtime.pause(id)
      assert.equal((await bench.runtime.inspect(id)).state, 'paused')
      assert.equal((await bench.runtime.list()).find((one) => one.id === id)?.state, 'paused')
      await assert.rejects(bench.runtime.exec(id, ['true']), refuses('conflict', /paused/))
      await bench.runtime.unpause(id)
      await bench.runtime.unpause(id)
      assert.equal((await bench.runtime.inspect(id)).state, 'running')
    })

    test('kill sends a signal; what does not run cannot be killed or paused', async () => {
      const { id } = await started()
      await bench.runtime.kill(id, 'SIGKILL')
      await finished(id)
      assert.equal((await bench.runtime.inspect(id)).exitCode, 137)
      await assert.rejects(bench.runtime.kill(id), refuses('conflict', /not running/))
      await assert.rejects(bench.runtime.pause(id), refuses('conflict', /not running/))
    })

    test('rename and update', async () => {
      const { id, spec } = await started()
      await bench.runtime.rename(id, `${spec.name}-b`)
      await bench.runtime.rename(id, `${spec.name}-b`)
      assert.equal((await bench.runtime.inspect(id)).name, `${spec.name}-b`)
      await bench.runtime.update(id, { ramMiB: 96, vcpus: 2 })
      assert.equal((await bench.runtime.stats(id)).memoryMaxBytes, 96 * 2 ** 20)
    })

    test('remove takes a running container too; a second time, or of nothing, is no error', async () => {
      const { id } = await started()
      await bench.runtime.remove(id)
      await assert.rejects(bench.runtime.inspect(id), refuses('notFound', /No such container/))
      await bench.runtime.remove(id)
      await assert.rejects(bench.runtime.start(id), refuses('notFound'))
      assert.ok(!(await bench.runtime.list()).some((one) => one.id === id))
    })

    test('containers of another cloud do not exist', async (t) => {
      if (!bench.under.foreign) return t.skip('this runtime has one cloud only')
      const { id } = await started()
      const { foreign } = bench.under
      for (const call of [
        () => foreign.inspect(id),
        () => foreign.stop(id, 0),
        () => foreign.exec(id, ['true']),
        () => foreign.logs(id, {}),
      ]) {
        await assert.rejects(call, refuses('notFound', /No such container/))
      }
      await foreign.remove(id)
      assert.ok(!(await foreign.list()).some((one) => one.id === id))
      assert.equal((await bench.runtime.inspect(id)).state, 'running')
    })
  })
}
