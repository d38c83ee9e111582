/** Conformance: no command runs before its network is there, at any start. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually, refuses, type SuiteBench } from './suite-bench.ts'

export function gateTests(bench: SuiteBench): void {
  const { created, started, logText, finished, outputOf } = bench
  /** At the gate of a later run: the first lets go of its own a moment after it was opened. */
  const waitsAgain = async (id: string): Promise<boolean> =>
    (await bench.runtime.inspect(id)).restartCount >= 1 && (await bench.runtime.gateWaiting(id))

  describe('the gate', () => {
    test('the command runs only after the network namespace was handed over', async () => {
      const { id } = await created({ command: ['sh', '-c', 'echo began; sleep 3600'] })
      let seen: { pid: number; netns: string } | undefined
      const status = await bench.runtime.start(id, async (sandbox) => {
        seen = sandbox
        assert.equal(await bench.runtime.gateWaiting(id), true)
        assert.equal(await logText(id), '')
      })
      assert.ok(seen && seen.pid > 0)
      assert.equal(seen.netns, `/proc/${seen.pid}/ns/net`)
      assert.equal(status.state, 'running')
      assert.equal(status.pid, seen.pid)
      await eventually('the command begins', async () => await logText(id) === 'began\n')
      assert.equal(await bench.runtime.gateWaiting(id), false)
      assert.equal((await bench.runtime.inspect(id)).pid, seen.pid)
    })

    test('when the network fails, the command never runs and the container ends', async () => {
      const { id } = await created({ command: ['echo', 'began'], restartPolicy: { name: 'always' } })
      await assert.rejects(bench.runtime.start(id, async () => { throw new Error('no such port') }), /no such port/)
      assert.equal((await bench.runtime.inspect(id)).state, 'exited')
      assert.equal(await logText(id), '')
      await bench.runtime.start(id, async () => {})
      await eventually('a second start runs it', async () => await logText(id) === 'began\n')
    })

    test('closes again at each restart, until openGate', async () => {
      const { id } = await created({ command: ['sh', '-c', 'echo began; exit 3'], restartPolicy: { name: 'always' } })
      await bench.runtime.start(id)
      await eventually('it waits again', () => waitsAgain(id))
      assert.equal(await logText(id), 'began\n')
      let filled = 0
      assert.equal(await bench.runtime.openGate(id, async () => { filled++ }), true)
      assert.equal(filled, 1)
      await eventually('the second run begins', async () => await logText(id) === 'began\nbegan\n')
      assert.ok((await bench.runtime.inspect(id)).restartCount >= 1)
    })

    test('start finishes what a dead caller left at the gate; an open gate is left alone', async () => {
      const { id } = await created({ command: ['sh', '-c', 'echo began; exit 3'], restartPolicy: { name: 'always' } })
      await bench.runtime.start(id)
      await eventually('it waits again', () => waitsAgain(id))
      let filled = 0
      await bench.runtime.start(id, async () => { filled++ })
      assert.equal(filled, 1)
      await eventually('the second run begins', async () => await logText(id) === 'began\nbegan\n')
      const open = await started()
      await bench.runtime.start(open.id, async () => { filled++ })
      assert.equal(await bench.runtime.openGate(open.id, async () => { filled++ }), false)
      assert.equal(filled, 1)
    })

    test('the network is filled once when the start\'s event is heard before start returns', async () => {
      const { id } = await created()
      let filled = 0
      let opened: Promise<boolean> | undefined
      await bench.runtime.start(id, async () => {
        filled++
        opened = bench.runtime.openGate(id, async () => { filled++ })
      })
      assert.equal(await opened, false)
      assert.equal(filled, 1)
      assert.equal(await bench.runtime.gateWaiting(id), false)
    })

    test('openGate has nothing to do on a container that does not run', async () => {
      const { id } = await created()
      assert.equal(await bench.runtime.openGate(id), false)
      assert.equal(await bench.runtime.gateWaiting(id), false)
    })

    test('hands the environment on as it was, and nothing of its own', async () => {
      const env = {
        PLAIN: 'a b',
        'discovery.type': 'single-node',
        QUOTE: 'it\'s "$HOME"',
        PWD: '/odd',
        LINES2: 'one\ntwo',
      }
      const output = await outputOf({ command: ['env'], env })
      for (const [name, value] of Object.entries(env))
        assert.ok(output.includes(`${name}=${value}\n`), `${name} in ${output}`)
      assert.ok(!/SHLVL|q_name|OLDPWD/.test(output), output)
    })

    test('runs as the user it was given', async () => {
      assert.equal(await outputOf({ command: ['id', '-u'], user: '1000' }), '1000\n')
    })

    test('keeps the command\'s exit code', async () => {
      const { id } = await started({ command: ['sh', '-c', 'exit 42'] })
      await finished(id)
      assert.equal((await bench.runtime.inspect(id)).exitCode, 42)
    })

    test('a command that is not in the image is refused by name, and not tried for ever', async () => {
      for (const restartPolicy of [undefined, { name: 'always' as const }]) {
        const { id } = await created({ command: ['no-such-command', 'x'], restartPolicy })
        await assert.rejects(bench.runtime.start(id, async () => {}), refuses('badRequest', /no-such-command/))
        const { state, exitCode } = await bench.runtime.inspect(id)
        assert.deepEqual([state, exitCode], ['exited', 127])
      }
    })
  })
}
