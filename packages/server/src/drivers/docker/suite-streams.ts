/** Conformance: logs, exec, terminals, archives and figures. */
import assert from 'node:assert/strict'
import { buffer, text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { eventually, filesOf, refuses, tarOf, type SuiteBench } from './suite-bench.ts'

export function streamTests(bench: SuiteBench): void {
  const { created, started, logText, finished, outputOf } = bench

  describe('output and input', () => {
    test('logs: all, the tail, none', async () => {
      const { id } = await started({ command: ['sh', '-c', 'echo one; echo two; echo three'] })
      await finished(id)
      assert.equal(await logText(id), 'one\ntwo\nthree\n')
      assert.equal((await bench.runtime.logs(id, { tail: 2 })).toString(), 'two\nthree\n')
      assert.equal((await bench.runtime.logs(id, { tail: 0 })).toString(), '')
      assert.match(
        (await bench.runtime.logs(id, { tail: 1, timestamps: true })).toString(),
        /^\d{4}-\d\d-\d\dT\S+ three\n$/,
      )
    })

    test('logs of a container with a terminal have no frames', async () => {
      assert.match(await outputOf({ command: ['echo', 'plain'], tty: true }), /^plain\r?\n$/)
    })

    test('followed logs end with the container, or when the caller leaves', async () => {
      const { id } = await created({ command: ['sh', '-c', 'echo one; sleep 3600'] })
      await bench.runtime.start(id)
      const stay = new AbortController()
      const all = text(await bench.runtime.followLogs(id, stay.signal))
      const leave = new AbortController()
      const some = await bench.runtime.followLogs(id, leave.signal)
      await new Promise((resolve) => some.once('readable', resolve))
      leave.abort()
      await text(some)
      await bench.runtime.stop(id, 0)
      assert.equal(await all, 'one\n')
    })

    test('exec: output, exit code, input, a missing program', async () => {
      const { id } = await started()
      assert.deepEqual(await bench.runtime.exec(id, ['echo', 'hello']), { exitCode: 0, output: Buffer.from('hello\n') })
      assert.equal((await bench.runtime.exec(id, ['sh', '-c', 'exit 5'])).exitCode, 5)
      assert.equal((await bench.runtime.exec(id, ['cat'], { stdin: 'typed' })).output.toString(), 'typed')
      assert.ok(
        (await bench.runtime.exec(id, ['env'], { env: { EXTRA: 'yes' } })).output.toString().includes('EXTRA=yes\n'),
      )
      assert.equal((await bench.runtime.exec(id, ['id', '-u'], { user: '1000' })).output.toString(), '1000\n')
      const missing = await bench.runtime.exec(id, ['no-such-command'])
      assert.equal(missing.exitCode, 127)
      assert.match(missing.output.toString(), /no-such-command/)
    })

    test('exec needs a running container', async () => {
      const { id } = await created()
      await assert.rejects(bench.runtime.exec(id, ['true']), refuses('conflict', /not running/))
    })

    test('a terminal takes what is typed and its size', async () => {
      const { id } = await started()
      const terminal = await bench.runtime.attachTerminal(id, ['sh'], { columns: 90, rows: 30 })
      let output = ''
      terminal.stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
      const ended = new Promise((resolve) => terminal.stream.once('end', resolve))
      terminal.stream.write('stty size\r')
      await eventually('the first size', () => output.includes('30 90'))
      await terminal.resize({ columns: 132, rows: 43 })
      terminal.stream.write('stty size\r')
      await eventually('the second size', () => output.includes('43 132'))
      terminal.stream.write('exit\r')
      await ended
      terminal.stream.destroy()
    })

    test('files go in and out as tars, also while it is stopped', async () => {
      const { id } = await created()
      await bench.runtime.putArchive(id, '/tmp', tarOf({ 'a.txt': 'alpha' }))
      assert.deepEqual(await filesOf(await bench.runtime.getArchive(id, '/tmp/a.txt')), { 'a.txt': 'alpha' })
      const tar = await buffer(tarOf({ 'b.txt': 'beta' }))
      await bench.runtime.putArchive(id, '/tmp', tar)
      assert.deepEqual(await filesOf(await bench.runtime.getArchive(id, '/tmp/b.txt')), { 'b.txt': 'beta' })
      await assert.rejects(bench.runtime.getArchive(id, '/tmp/none'), refuses('notFound', /none/))
    })

    test('stats: figures while it runs, zeros when it does not', async () => {
      const { id } = await started({ resources: { vcpus: 1, ramMiB: 48 } })
      const running = await bench.runtime.stats(id)
      assert.ok(running.cpuTimeNs > 0 && running.memoryBytes > 0 && running.pids >= 1, JSON.stringify(running))
      assert.equal(running.memoryMaxBytes, 48 * 2 ** 20)
      await bench.runtime.stop(id, 0)
      const stopped = await bench.runtime.stats(id)
      assert.deepEqual([stopped.cpuTimeNs, stopped.memoryBytes, stopped.pids], [0, 0, 0])
    })
  })
}
