/** Tests that only a real Docker Engine can pass, run on each engine version; with the conformance suite on top. */
import assert from 'node:assert/strict'
import { access, chmod, constants, mkdtemp, open as openFile, readdir, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Readable } from 'node:stream'
import { createLog } from '#platform/log/log.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { ContainerSpec, EngineEvent } from '#services/workloads/ports.ts'
import { createDockerRuntime, type DockerRuntime } from './docker-runtime.ts'
import { EngineClient } from './engine-client.ts'
import { runtimeSuite } from './runtime-suite.ts'
import { eventually, specOf } from './suite-bench.ts'
import { busyboxRootTar, staticEchoTar } from './testing.ts'

/** A fresh cloud on the engine at `socketPath`; its gates live in a directory of their own. */
async function cloudOn(socketPath: string): Promise<{ runtime: DockerRuntime; cloudId: string; gateDir: string }> {
  const gateDir = await mkdtemp('/tmp/quaystone-gates-')
  await chmod(gateDir, 0o755)
  const cloudId = uuid()
  return {
    runtime: createDockerRuntime({ socketPath, cloudId, gateDir, log: createLog({ level: 'silent' }) }),
    cloudId,
    gateDir,
  }
}

export interface SuiteEngine {
  socketPath: string
  stop(): Promise<void>
  /** Absent when the engine may be somebody else's: it is then never restarted. */
  restart?(options: { hard: boolean }): Promise<void>
}

export interface EngineExpectation { name: string; apiVersion: RegExp; storeKind: 'graphdriver' | 'containerd' }

/** `open` starts or finds the engine; what it is must be what the caller says, or another engine was tested. */
export function dockerSuite(
  { name, apiVersion, storeKind }: EngineExpectation,
  open: () => Promise<SuiteEngine>,
): void {
  describe(name, () => {
    let engine: SuiteEngine
    before(async () => {
      engine = await open()
    })
    after(async () => {
      await engine.stop()
    })

    runtimeSuite('every runtime', async () => {
      const own = await cloudOn(engine.socketPath),
        other = await cloudOn(engine.socketPath)
      const close = async () => {
        await Promise.all(
          [own, other].map(async ({ runtime, gateDir }) => {
            await runtime.close()
            await rm(gateDir, { recursive: true })
          }),
        )
      }
      return { runtime: own.runtime, foreign: other.runtime, rootTar: await busyboxRootTar(), close }
    })

    describe('Docker only', () => {
      const image = `quaystone/${uuid()}:latest`
      let raw: EngineClient
      let cloud: Awaited<ReturnType<typeof cloudOn>>
      let runtime: DockerRuntime

      before(async () => {
        cloud = await cloudOn(engine.socketPath)
        runtime = cloud.runtime
        raw = new EngineClient({ socketPath: engine.socketPath })
        await runtime.imageImport(Readable.from(await busyboxRootTar()), image, ['CMD ["sleep","3600"]'])
      })
      after(async () => {
        for (const { id } of await runtime.list()) await runtime.remove(id)
        await Promise.all([runtime.close(), raw.close(), rm(cloud.gateDir, { recursive: true })])
      })

      const created = async (more: Partial<ContainerSpec> = {}) => {
        const spec = specOf(image, more)
        return { spec, ...(await runtime.create(spec)) }
      }
      const hostConfig = async (id: string) =>
        (await raw.json<{ HostConfig: Record<string, unknown> }>('GET', `/containers/${id}/json`)).HostConfig
      const logText = async (id: string) => (await runtime.logs(id, {})).toString()

      test('it is the engine that it should be', async () => {
        const info = await runtime.info()
        assert.match(info.apiVersion, apiVersion)
        assert.equal(info.storeKind, storeKind)
      })

      test('privileged, memory in bytes, shares and cap reach the engine', async () => {
        const { id } = await created({ privileged: true, resources: { vcpus: 0.5, ramMiB: 100, pids: 50 } })
        const config = await hostConfig(id)
        assert.equal(config['Privileged'], true)
        assert.equal((await runtime.inspect(id)).privileged, true)
        assert.deepEqual(
          [config['Memory'], config['NanoCpus'], config['CpuShares'], config['PidsLimit']],
          [100 * 2 ** 20, 5e8, 512, 50],
        )
      })

      test("a cap above the host's CPUs is lowered to them, since the engine refuses it", async () => {
        const { vcpus } = await runtime.info()
        const { id } = await created({ resources: { vcpus: vcpus + 1000, ramMiB: 64 } })
        assert.equal((await hostConfig(id))['NanoCpus'], vcpus * 1e9)
      })

      test("without a gate the command is the image's own and starts at once", async () => {
        const { id } = await created({ networkMode: 'host', command: ['echo', 'direct'] })
        const { Config } = await raw.json<{ Config: { Cmd: string[]; Entrypoint: string[] | null } }>(
          'GET',
          `/containers/${id}/json`,
        )
        assert.deepEqual([Config.Entrypoint ?? [], Config.Cmd], [[], ['echo', 'direct']])
        await runtime.start(id)
        await eventually('it has run', async () => (await logText(id)) === 'direct\n')
        await assert.rejects(
          runtime.start(id, async () => {}),
          /without a gate/,
        )
      })

      test('a container joins the network of another and may have no host name of its own', async () => {
        const { id } = await created()
        const { pid } = await runtime.start(id)
        const joined = await created({ networkMode: `container:${id}` })
        const second = await runtime.start(joined.id)
        assert.equal(await readlink(`/proc/${second.pid}/ns/net`), await readlink(`/proc/${pid}/ns/net`))
      })

      test('PID 1 is the command itself, in its directory, under its own name', async () => {
        const { id } = await created({ command: ['sleep', '1000'], workingDir: '/srv' })
        const { pid } = await runtime.start(id)
        await eventually(
          'PID 1 is sleep',
          async () => (await runtime.exec(id, ['cat', '/proc/1/cmdline'])).output.toString() === 'sleep\x001000\x00',
        )
        assert.equal((await runtime.inspect(id)).pid, pid)
        assert.equal((await runtime.exec(id, ['readlink', '/proc/1/cwd'])).output.toString(), '/srv\n')
        assert.equal((await runtime.exec(id, ['readlink', '/proc/1/exe'])).output.toString(), '/bin/busybox\n')
      })

      test("the image's own programs run, not the gate's; an image without a shell does", async () => {
        const bare = `quaystone/${uuid()}:latest`
        await runtime.imageImport(Readable.from(await staticEchoTar()), bare, [
          'CMD ["/echo","no shell here"]',
          'USER 1000',
        ])
        const { id } = await runtime.create(specOf(bare))
        await runtime.start(id)
        await eventually('it has run', async () => (await logText(id)) === 'no shell here\n')
        const missing = await runtime.create(specOf(bare, { command: ['ls', '/'] }))
        await assert.rejects(runtime.start(missing.id), /"ls": executable file not found/)
      })

      test('one that waits at the gate stops on TERM, without the command having run', async () => {
        const { id } = await created({ command: ['echo', 'began'] })
        await raw.text('POST', `/containers/${id}/start`)
        await eventually('it waits', () => runtime.gateWaiting(id))
        await eventually('TERM is heard', async () => {
          await runtime.kill(id, 'SIGTERM').catch((error: Error) => assert.match(error.message, /not running/))
          return (await runtime.inspect(id)).state === 'exited'
        })
        assert.equal((await runtime.inspect(id)).exitCode, 143)
        assert.equal(await logText(id), '')
      })

      test('a writer that dies at the gate lets nobody through', async () => {
        const { id, spec } = await created({ command: ['echo', 'began'] })
        await raw.text('POST', `/containers/${id}/start`)
        for (let round = 0; round < 3; round++) {
          const fifo = await openFile(join(cloud.gateDir, 'containers', spec.workloadId, 'gate'), constants.O_WRONLY)
          await fifo.close()
        }
        assert.equal(await runtime.gateWaiting(id), true)
        assert.equal(await runtime.openGate(id), true)
        await eventually('it has run', async () => (await logText(id)) === 'began\n')
      })

      test('docker restart closes the gate again', async () => {
        const { id } = await created({ command: ['sh', '-c', 'echo began; sleep 3600'] })
        await runtime.start(id)
        await eventually('the first run', async () => (await logText(id)) === 'began\n')
        await raw.text('POST', `/containers/${id}/restart`, { query: { t: 0 } })
        assert.equal(await runtime.gateWaiting(id), true)
        assert.equal(await runtime.openGate(id), true)
        await eventually('the second run', async () => (await logText(id)) === 'began\nbegan\n')
      })

      test('a lost gate directory is made anew at the next start', async () => {
        const { id, spec } = await created({ command: ['echo', 'began'] })
        await rm(join(cloud.gateDir, 'containers', spec.workloadId), { recursive: true })
        await runtime.start(id)
        await eventually('it has run', async () => (await logText(id)) === 'began\n')
      })

      test('remove takes the gate away, and resync sweeps those of containers removed behind our back', async () => {
        const gates = () => readdir(join(cloud.gateDir, 'containers'))
        const first = await created(),
          second = await created(),
          third = await created()
        await runtime.remove(first.id)
        assert.ok(!(await gates()).includes(first.spec.workloadId))
        await raw.text('DELETE', `/containers/${second.id}`, { query: { force: 1 } })
        const leave = new AbortController()
        const watching = runtime.watch(() => {}, leave.signal)
        await eventually('it is swept', async () => !(await gates()).includes(second.spec.workloadId))
        assert.ok((await gates()).includes(third.spec.workloadId))
        leave.abort()
        await watching
      })

      test("a snapshot holds no trace of the gate, and a stranger's container made of it is not ours", async () => {
        const { id } = await created({ command: ['sleep', '3600'] })
        await runtime.start(id)
        const snapshot = `quaystone/${uuid()}:latest`
        await runtime.commit(id, snapshot, {})
        const { Config } = await raw.json<{ Config: { Entrypoint?: string[] | null; Cmd: string[] } }>(
          'GET',
          `/images/${snapshot}/json`,
        )
        assert.deepEqual([Config.Entrypoint ?? [], Config.Cmd], [[], ['sleep', '3600']])
        const { Id } = await raw.json<{ Id: string }>('POST', '/containers/create', { json: { Image: snapshot } })
        assert.ok(!(await runtime.list()).some((one) => one.id === Id))
        await assert.rejects(runtime.inspect(Id), /No such container/)
        await assert.rejects(raw.text('HEAD', `/containers/${Id}/archive`, { query: { path: '/dev/.quaystone' } }))
        await raw.text('DELETE', `/containers/${Id}`)
      })

      test('an OOM kill is told', async () => {
        const { id } = await created({
          command: ['sh', '-c', 'tail -c 200000000 /dev/zero'],
          resources: { vcpus: 1, ramMiB: 16 },
        })
        await runtime.start(id)
        await eventually('it ends', async () => (await runtime.inspect(id)).state === 'exited')
        assert.equal((await runtime.inspect(id)).oomKilled, true)
      })

      test('after the engine restarts, watchers get resync, and what runs again waits at its gate', async (t) => {
        if (!engine.restart) return t.skip('this engine is not ours to restart')
        for (const hard of [false, true]) await restartsWaiting(engine.restart, hard)
      })

      async function restartsWaiting(restart: NonNullable<SuiteEngine['restart']>, hard: boolean): Promise<void> {
        const { id } = await created({
          command: ['sh', '-c', 'echo began; sleep 3600'],
          restartPolicy: { name: 'always' },
        })
        await runtime.start(id)
        await eventually('the first run', async () => (await logText(id)) === 'began\n')
        const leave = new AbortController()
        const events: EngineEvent[] = []
        const resyncs = () => events.filter(({ action }) => action === 'resync').length
        const watching = runtime.watch((event) => events.push(event), leave.signal)
        try {
          await eventually('the first resync', () => resyncs() === 1)
          await restart({ hard })
          await eventually('the second resync', () => resyncs() >= 2)
          await eventually('it waits again', () => runtime.gateWaiting(id))
          assert.equal(await logText(id), 'began\n')
          assert.equal(
            await runtime.openGate(id, async ({ netns }) => {
              await access(netns)
            }),
            true,
          )
          await eventually('the second run', async () => (await logText(id)) === 'began\nbegan\n')
        } finally {
          leave.abort()
          await watching
        }
        await runtime.remove(id)
      }

      test('an engine that is not there is unavailable, by its address', async () => {
        const nobody = createDockerRuntime({
          socketPath: '/tmp/no-such.sock',
          cloudId: 'x',
          gateDir: cloud.gateDir,
          log: createLog({ level: 'silent' }),
        })
        assert.equal(await nobody.ping(), false)
        await assert.rejects(nobody.list(), { kind: 'unavailable', message: /no-such\.sock/ })
        await nobody.close()
      })
    })
  })
}
