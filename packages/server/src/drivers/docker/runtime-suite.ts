/** What every container runtime must do, real or fake: the same tests run on each of them. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { buffer, text } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import { systemClock } from '#platform/clock/clock.ts'
import { isRefusal, type ErrorKind } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { labels, type ContainerRuntime, type ContainerSpec, type EngineEvent } from '#services/workloads/ports.ts'

export interface RuntimeUnderTest {
  runtime: ContainerRuntime
  /** Another cloud's view of the same engine, where the runtime has such a thing. */
  foreign?: ContainerRuntime
  /** Root file system with busybox's programs. */
  rootTar: Buffer
  close(): Promise<void>
}

const waitMsMax = 30_000
const pauseMs = 20

export async function eventually(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let waited = 0; !await condition(); waited += pauseMs) {
    if (waited > waitMsMax) assert.fail(`It did not happen: ${what}`)
    await systemClock.sleep(pauseMs)
  }
}

const refuses = (kind: ErrorKind, sentence = /./) => (error: unknown): true => {
  assert.ok(isRefusal(error), `a refusal, not ${String(error)}`)
  assert.equal(error.kind, kind, error.message)
  assert.match(error.message, sentence)
  return true
}

/** A spec with names of its own. */
export function specOf(image: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  const workloadId = uuid()
  return {
    workloadId, name: `suite-${workloadId}`, image, hostname: 'suite', env: {}, labels: {}, mounts: [], networkMode: 'none',
    resources: { vcpus: 1, ramMiB: 64 }, ...more,
  }
}

export function tarOf(files: Record<string, string>): Readable {
  const tar = pack()
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content)
  tar.finalize()
  return Readable.from(tar)
}

export async function filesOf(tar: Readable): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for await (const entry of tar.pipe(extract())) files[entry.header.name] = await text(entry)
  return files
}

export function runtimeSuite(name: string, open: () => Promise<RuntimeUnderTest>): void {
  describe(name, () => {
    const image = `quaystone/${uuid()}:latest`
    let under: RuntimeUnderTest
    let runtime: ContainerRuntime

    before(async () => {
      under = await open()
      runtime = under.runtime
      await runtime.imageImport(Readable.from(under.rootTar), image, ['CMD ["sleep","3600"]'])
    })
    after(async () => {
      for (const { id } of await runtime.list()) await runtime.remove(id)
      await under.close()
    })

    const created = async (more: Partial<ContainerSpec> = {}) => {
      const spec = specOf(image, more)
      return { spec, ...await runtime.create(spec) }
    }
    const started = async (more: Partial<ContainerSpec> = {}) => {
      const container = await created(more)
      await runtime.start(container.id)
      return container
    }
    const logText = async (id: string) => (await runtime.logs(id, {})).toString()
    const finished = (id: string) => eventually('the container ends', async () => (await runtime.inspect(id)).state === 'exited')
    const outputOf = async (more: Partial<ContainerSpec>) => {
      const { id } = await started(more)
      await finished(id)
      return await logText(id)
    }

    describe('create', () => {
      test('makes a container that does not run, and says what it is', async () => {
        const { id, spec } = await created({ command: ['sleep', '77'], labels: { colour: 'red' } })
        const status = await runtime.inspect(id)
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
        await runtime.rename(id, `${spec.name}-renamed`)
        assert.deepEqual(await runtime.create(spec), { id })
        const twice = specOf(image)
        const [first, second] = await Promise.all([runtime.create(twice), runtime.create(twice)])
        assert.deepEqual(first, second)
        assert.equal((await runtime.list()).filter((one) => one.workloadId === twice.workloadId).length, 1)
      })

      test('refuses an image that is not there', async () => {
        await assert.rejects(runtime.create(specOf('quaystone/nowhere:latest')), refuses('notFound', /quaystone\/nowhere/))
      })

      test('refuses an image without a command, unless one is given', async () => {
        const bare = `quaystone/${uuid()}:latest`
        const { hasCommand } = await runtime.imageImport(Readable.from(under.rootTar), bare, [])
        assert.equal(hasCommand, false)
        await assert.rejects(runtime.create(specOf(bare)), refuses('badRequest', /neither ENTRYPOINT nor CMD/))
        await runtime.create(specOf(bare, { command: ['true'] }))
      })

      test('refuses a name that another workload has', async () => {
        const { spec } = await created()
        await assert.rejects(runtime.create(specOf(image, { name: spec.name })), refuses('conflict', new RegExp(spec.name)))
      })

      test('an entrypoint of the spec drops the image\'s command', async () => {
        const { id } = await created({ entrypoint: ['echo', 'entry'] })
        assert.deepEqual((await runtime.inspect(id)).command, ['echo', 'entry'])
      })
    })

    describe('the gate', () => {
      test('the command runs only after the network namespace was handed over', async () => {
        const { id } = await created({ command: ['sh', '-c', 'echo began; sleep 3600'] })
        let seen: { pid: number; netns: string } | undefined
        const status = await runtime.start(id, async (sandbox) => {
          seen = sandbox
          assert.equal(await runtime.gateWaiting(id), true)
          assert.equal(await logText(id), '')
        })
        assert.ok(seen && seen.pid > 0)
        assert.equal(seen.netns, `/proc/${seen.pid}/ns/net`)
        assert.equal(status.state, 'running')
        assert.equal(status.pid, seen.pid)
        await eventually('the command begins', async () => await logText(id) === 'began\n')
        assert.equal(await runtime.gateWaiting(id), false)
        assert.equal((await runtime.inspect(id)).pid, seen.pid)
      })

      test('when the network fails, the command never runs and the container ends', async () => {
        const { id } = await created({ command: ['echo', 'began'], restartPolicy: { name: 'always' } })
        await assert.rejects(runtime.start(id, async () => { throw new Error('no such port') }), /no such port/)
        assert.equal((await runtime.inspect(id)).state, 'exited')
        assert.equal(await logText(id), '')
        await runtime.start(id, async () => {})
        await eventually('a second start runs it', async () => await logText(id) === 'began\n')
      })

      test('closes again at each restart, until openGate', async () => {
        const { id } = await created({ command: ['sh', '-c', 'echo began; exit 3'], restartPolicy: { name: 'always' } })
        await runtime.start(id)
        await eventually('it waits again', () => runtime.gateWaiting(id))
        assert.equal(await logText(id), 'began\n')
        let filled = 0
        assert.equal(await runtime.openGate(id, async () => { filled++ }), true)
        assert.equal(filled, 1)
        await eventually('the second run begins', async () => await logText(id) === 'began\nbegan\n')
        assert.ok((await runtime.inspect(id)).restartCount >= 1)
      })

      test('start finishes what a dead caller left at the gate; an open gate is left alone', async () => {
        const { id } = await created({ command: ['sh', '-c', 'echo began; sleep 3600'] })
        const abandoned = Promise.withResolvers<void>()
        const reached = Promise.withResolvers<void>()
        const first = runtime.start(id, async () => { reached.resolve(); await abandoned.promise })
        await reached.promise
        await runtime.start(id, async () => {})
        await eventually('the command begins', async () => await logText(id) === 'began\n')
        abandoned.resolve()
        await first
        let filled = 0
        await runtime.start(id, async () => { filled++ })
        assert.equal(await runtime.openGate(id, async () => { filled++ }), false)
        assert.equal(filled, 0)
      })

      test('openGate has nothing to do on a container that does not run', async () => {
        const { id } = await created()
        assert.equal(await runtime.openGate(id), false)
        assert.equal(await runtime.gateWaiting(id), false)
      })

      test('hands the environment on as it was, and nothing of its own', async () => {
        const env = { PLAIN: 'a b', 'discovery.type': 'single-node', QUOTE: 'it\'s "$HOME"', PWD: '/odd', LINES2: 'one\ntwo' }
        const output = await outputOf({ command: ['env'], env })
        for (const [name, value] of Object.entries(env)) assert.ok(output.includes(`${name}=${value}\n`), `${name} in ${output}`)
        assert.ok(!/SHLVL|q_name|OLDPWD/.test(output), output)
      })

      test('runs as the user it was given', async () => {
        assert.equal(await outputOf({ command: ['id', '-u'], user: '1000' }), '1000\n')
      })

      test('keeps the command\'s exit code', async () => {
        const { id } = await started({ command: ['sh', '-c', 'exit 42'] })
        await finished(id)
        assert.equal((await runtime.inspect(id)).exitCode, 42)
      })

      test('a command that is not in the image is refused by name', async () => {
        const { id } = await created({ command: ['no-such-command', 'x'] })
        await assert.rejects(runtime.start(id, async () => {}), refuses('badRequest', /no-such-command/))
        assert.equal((await runtime.inspect(id)).exitCode, 127)
      })
    })

    describe('life', () => {
      test('stop ends it, twice is no error, start brings it back', async () => {
        const { id } = await started({ command: ['sleep', '3600'] })
        await runtime.stop(id, 0)
        await runtime.stop(id, 0)
        const stopped = await runtime.inspect(id)
        assert.equal(stopped.state, 'exited')
        assert.equal(stopped.pid, 0)
        assert.ok(stopped.finishedAt)
        assert.equal((await runtime.start(id)).state, 'running')
      })

      test('paused is paused, not running', async () => {
        const { id } = await started()
        await runtime.pause(id)
        await runtime.pause(id)
        assert.equal((await runtime.inspect(id)).state, 'paused')
        assert.equal((await runtime.list()).find((one) => one.id === id)?.state, 'paused')
        await assert.rejects(runtime.exec(id, ['true']), refuses('conflict', /paused/))
        await runtime.unpause(id)
        await runtime.unpause(id)
        assert.equal((await runtime.inspect(id)).state, 'running')
      })

      test('kill sends a signal; what does not run cannot be killed or paused', async () => {
        const { id } = await started()
        await runtime.kill(id, 'SIGKILL')
        await finished(id)
        assert.equal((await runtime.inspect(id)).exitCode, 137)
        await assert.rejects(runtime.kill(id), refuses('conflict', /not running/))
        await assert.rejects(runtime.pause(id), refuses('conflict', /not running/))
      })

      test('rename and update', async () => {
        const { id, spec } = await started()
        await runtime.rename(id, `${spec.name}-b`)
        await runtime.rename(id, `${spec.name}-b`)
        assert.equal((await runtime.inspect(id)).name, `${spec.name}-b`)
        await runtime.update(id, { ramMiB: 96, vcpus: 2 })
        assert.equal((await runtime.stats(id)).memoryMaxBytes, 96 * 2 ** 20)
      })

      test('remove takes a running container too; a second time, or of nothing, is no error', async () => {
        const { id } = await started()
        await runtime.remove(id)
        await assert.rejects(runtime.inspect(id), refuses('notFound', /No such container/))
        await runtime.remove(id)
        await assert.rejects(runtime.start(id), refuses('notFound'))
        assert.ok(!(await runtime.list()).some((one) => one.id === id))
      })

      test('containers of another cloud do not exist', async (t) => {
        if (!under.foreign) return t.skip('this runtime has one cloud only')
        const { id } = await started()
        const { foreign } = under
        for (const call of [() => foreign.inspect(id), () => foreign.stop(id, 0), () => foreign.exec(id, ['true']), () => foreign.logs(id, {})]) {
          await assert.rejects(call, refuses('notFound', /No such container/))
        }
        await foreign.remove(id)
        assert.ok(!(await foreign.list()).some((one) => one.id === id))
        assert.equal((await runtime.inspect(id)).state, 'running')
      })
    })

    describe('output and input', () => {
      test('logs: all, the tail, none', async () => {
        const { id } = await started({ command: ['sh', '-c', 'echo one; echo two; echo three'] })
        await finished(id)
        assert.equal(await logText(id), 'one\ntwo\nthree\n')
        assert.equal((await runtime.logs(id, { tail: 2 })).toString(), 'two\nthree\n')
        assert.equal((await runtime.logs(id, { tail: 0 })).toString(), '')
        assert.match((await runtime.logs(id, { tail: 1, timestamps: true })).toString(), /^\d{4}-\d\d-\d\dT\S+ three\n$/)
      })

      test('logs of a container with a terminal have no frames', async () => {
        assert.match(await outputOf({ command: ['echo', 'plain'], tty: true }), /^plain\r?\n$/)
      })

      test('followed logs end with the container, or when the caller leaves', async () => {
        const { id } = await created({ command: ['sh', '-c', 'echo one; sleep 3600'] })
        await runtime.start(id)
        const stay = new AbortController()
        const all = text(await runtime.followLogs(id, stay.signal))
        const leave = new AbortController()
        const some = await runtime.followLogs(id, leave.signal)
        await new Promise((resolve) => some.once('readable', resolve))
        leave.abort()
        await text(some)
        await runtime.stop(id, 0)
        assert.equal(await all, 'one\n')
      })

      test('exec: output, exit code, input, a missing program', async () => {
        const { id } = await started()
        assert.deepEqual(await runtime.exec(id, ['echo', 'hello']), { exitCode: 0, output: Buffer.from('hello\n') })
        assert.equal((await runtime.exec(id, ['sh', '-c', 'exit 5'])).exitCode, 5)
        assert.equal((await runtime.exec(id, ['cat'], { stdin: 'typed' })).output.toString(), 'typed')
        assert.ok((await runtime.exec(id, ['env'], { env: { EXTRA: 'yes' } })).output.toString().includes('EXTRA=yes\n'))
        assert.equal((await runtime.exec(id, ['id', '-u'], { user: '1000' })).output.toString(), '1000\n')
        const missing = await runtime.exec(id, ['no-such-command'])
        assert.equal(missing.exitCode, 127)
        assert.match(missing.output.toString(), /no-such-command/)
      })

      test('exec needs a running container', async () => {
        const { id } = await created()
        await assert.rejects(runtime.exec(id, ['true']), refuses('conflict', /not running/))
      })

      test('a terminal takes what is typed and its size', async () => {
        const { id } = await started()
        const terminal = await runtime.attachTerminal(id, ['sh'], { columns: 90, rows: 30 })
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
        await runtime.putArchive(id, '/tmp', tarOf({ 'a.txt': 'alpha' }))
        assert.deepEqual(await filesOf(await runtime.getArchive(id, '/tmp/a.txt')), { 'a.txt': 'alpha' })
        const tar = await buffer(tarOf({ 'b.txt': 'beta' }))
        await runtime.putArchive(id, '/tmp', tar)
        assert.deepEqual(await filesOf(await runtime.getArchive(id, '/tmp/b.txt')), { 'b.txt': 'beta' })
        await assert.rejects(runtime.getArchive(id, '/tmp/none'), refuses('notFound', /none/))
      })

      test('stats: figures while it runs, zeros when it does not', async () => {
        const { id } = await started({ resources: { vcpus: 1, ramMiB: 48 } })
        const running = await runtime.stats(id)
        assert.ok(running.cpuTimeNs > 0 && running.memoryBytes > 0 && running.pids >= 1, JSON.stringify(running))
        assert.equal(running.memoryMaxBytes, 48 * 2 ** 20)
        await runtime.stop(id, 0)
        const stopped = await runtime.stats(id)
        assert.deepEqual([stopped.cpuTimeNs, stopped.memoryBytes, stopped.pids], [0, 0, 0])
      })
    })

    describe('images', () => {
      test('import gives a reference and a command; inspect of nothing is undefined', async () => {
        const found = await runtime.imageInspect(image)
        assert.ok(found, 'the imported image is there')
        assert.ok(found.tags.includes(image), JSON.stringify(found))
        assert.deepEqual(found.command, ['sleep', '3600'])
        assert.equal(found.hasCommand, true)
        assert.ok((await runtime.imageList()).some((one) => one.tags.includes(image)))
        assert.equal(await runtime.imageInspect('quaystone/nowhere:latest'), undefined)
      })

      test('a saved image loads under another name, twice, and the names inside the tar are not believed', async () => {
        const victim = `quaystone/${uuid()}:latest`
        await runtime.imageImport(Readable.from(under.rootTar), victim, ['CMD ["echo","evil"]'])
        const tar = await buffer(await runtime.imageSave(victim))
        await runtime.imageRemove(victim)
        const right = await runtime.imageImport(Readable.from(under.rootTar), victim, ['CMD ["echo","right"]'])
        const copy = `quaystone/${uuid()}:latest`
        for (let time = 1; time <= 2; time++) {
          const [loaded] = await runtime.imageLoad(Readable.from(tar), copy)
          assert.deepEqual(loaded?.command, ['echo', 'evil'])
          assert.ok(loaded.tags.includes(copy))
        }
        assert.equal((await runtime.imageInspect(victim))?.id, right.id)
        const { id } = await runtime.create(specOf(copy))
        await runtime.start(id)
        await finished(id)
        assert.equal(await logText(id), 'evil\n')
      })

      test('a tar that is no image is refused', async () => {
        await assert.rejects(runtime.imageLoad(tarOf({ 'readme.txt': 'no image' })), refuses('badRequest'))
      })

      test('tag gives a second name, remove takes one and then the image', async () => {
        const first = `quaystone/${uuid()}:latest`, second = `quaystone/${uuid()}:latest`
        const { id } = await runtime.imageImport(tarOf({ 'etc/unique': first }), first, ['CMD ["true"]'])
        await runtime.imageTag(first, second)
        assert.equal((await runtime.imageInspect(second))?.id, id)
        await runtime.imageRemove(first)
        assert.equal(await runtime.imageInspect(first), undefined)
        assert.equal((await runtime.imageInspect(second))?.id, id)
        await runtime.imageRemove(second)
        await runtime.imageRemove(second)
        assert.equal(await runtime.imageInspect(second), undefined)
      })

      test('an image in use is not removed', async () => {
        const used = `quaystone/${uuid()}:latest`
        await runtime.imageImport(tarOf({ 'etc/unique': used }), used, ['CMD ["true"]'])
        await runtime.create(specOf(used))
        await assert.rejects(runtime.imageRemove(used), refuses('conflict'))
      })

      test('a commit keeps the user\'s command, and a container made of it is not taken for the first one', async () => {
        const { id, spec } = await started({ entrypoint: ['echo'], command: ['kept'] })
        await finished(id)
        const snapshot = `quaystone/${uuid()}:latest`
        const made = await runtime.commit(id, snapshot, { note: 'snapshot' })
        assert.deepEqual([made.entrypoint, made.command], [['echo'], ['kept']])
        const again = specOf(snapshot)
        const second = await runtime.create(again)
        await runtime.start(second.id)
        await finished(second.id)
        assert.equal(await logText(second.id), 'kept\n')
        assert.deepEqual(await runtime.create(spec), { id })
      })
    })

    describe('events', () => {
      test('watch begins with resync and tells of starts and deaths with the workload\'s id', async () => {
        const leave = new AbortController()
        const events: EngineEvent[] = []
        const watching = runtime.watch((event) => events.push(event), leave.signal)
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
        assert.equal(await runtime.ping(), true)
        const info = await runtime.info()
        assert.match(info.apiVersion, /^1\.\d\d$/)
        assert.ok(info.vcpus > 0 && info.ramMiB > 0 && info.diskGiB > 0, JSON.stringify(info))
      })
    })
  })
}
