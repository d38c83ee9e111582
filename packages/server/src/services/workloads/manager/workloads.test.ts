/** Stories of workloads on a fake engine: every order, every way to fail, and what is left afterwards. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { badRequest, isRefusal, unavailable } from '#platform/errors/errors.ts'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Workload, WorkloadOrder } from '../facade.ts'
import { createWorkload, specOf, testHost, testWorld } from '../testing.ts'
import type { TestProcess, TestWorld } from '../testing.ts'

let world: TestWorld
let cloud: TestProcess
beforeEach(async () => {
  world = await testWorld()
  cloud = world.process()
})
afterEach(() => world.close())

const host = () => world.hosts[0]!
const runtime = () => host().runtime
const now = async (id: string): Promise<Workload> => (await cloud.facade.fetch(id))!
const order = (id: string, what: WorkloadOrder) => world.db.transaction((tx) => cloud.facade.order(tx, id, what))
async function running(change = {}, ports = 1): Promise<Workload> {
  const { id } = await createWorkload(world, cloud.facade, change, ports)
  await cloud.settle()
  return await now(id)
}
async function done(id: string, what: WorkloadOrder): Promise<Workload> {
  const generation = await order(id, what)
  await cloud.settle()
  const workload = await now(id)
  assert.equal(workload.doneGeneration, generation)
  assert.equal(workload.step, null)
  return workload
}
async function assertClean(): Promise<void> {
  assert.deepEqual(await cloud.facade.doctor(), { leaks: [], stuck: [], hostsSilent: [] })
}

describe('building', () => {
  test('a new workload runs, with its ports up before its command', async () => {
    const workload = await running({ links: undefined }, 2)
    assert.deepEqual(
      [workload.state, workload.fault, workload.step, workload.hostName],
      ['running', null, null, 'host-1'],
    )
    const name = `nova-${workload.id}`
    assert.deepEqual(
      runtime().history.filter((line) => line.endsWith(name)),
      [`create ${name}`, `start ${name}`, `gate ${name}`, `command ${name}`],
    )
    assert.deepEqual(
      world.ports.of(workload.id).map(({ status, hostName }) => [status, hostName]),
      [
        ['ACTIVE', 'host-1'],
        ['ACTIVE', 'host-1'],
      ],
    )
    assert.deepEqual(
      [...host().network.ports.keys()].sort(),
      world.ports
        .of(workload.id)
        .map(({ id }) => id)
        .sort(),
    )
    const spec = runtime().specOf(workload.containerId!)
    assert.deepEqual(spec.dns, ['10.0.0.1'])
    assert.deepEqual(spec.extraHosts, { web: world.ports.of(workload.id)[0]!.fixedIps[0]!.ip })
    await assertClean()
  })

  test('many at once load their image once', async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await createWorkload(world, cloud.facade)).id),
    )
    await cloud.settle()
    assert.deepEqual(
      [...(await cloud.facade.fetchMany(ids)).values()].map(({ state }) => state),
      ids.map(() => 'running'),
    )
    assert.deepEqual([world.images.reads, runtime().calls.get('imageLoad')], [1, 1])
  })

  test('files are there before the command, with ssh keys in a private folder', async () => {
    const content = Buffer.from('ssh-ed25519 AAAA').toString('base64')
    const { containerId } = await running({ files: [{ path: '/root/.ssh/authorized_keys', mode: 0o600, content }] })
    assert.equal(runtime().files(containerId!).get('/root/.ssh/authorized_keys')?.toString(), 'ssh-ed25519 AAAA')
  })

  test('aliases and links become names that the network is told of', async () => {
    const database = await running({ aliases: ['store'] })
    const web = await running({ hostname: 'front', links: [{ workloadId: database.id, alias: 'db' }] })
    assert.deepEqual(world.ports.namesOf(database.id), { aliases: ['store'], links: [] })
    assert.deepEqual(world.ports.namesOf(web.id), { aliases: [], links: [{ deviceId: database.id, alias: 'db' }] })
    const spec = runtime().specOf(web.containerId!)
    assert.deepEqual([spec.dns, spec.dnsSearch], [['10.0.0.1'], ['example']])
  })

  test('a name that nobody would answer is refused: off a tenant network, or no DNS name', async () => {
    await assert.rejects(running({ networkMode: 'bridge', aliases: ['store'] }, 0), /aliases need networkMode 'tenant'/)
    await assert.rejects(running({ aliases: ['not a name'] }), /'not a name' is no DNS name/)
  })

  test('a shared network lands on the same host, in the same namespace', async () => {
    world.hosts.push(testHost('host-2', world.clock))
    cloud = world.process()
    const main = await running()
    const side = await running({ networkMode: `container:${main.id}` }, 0)
    assert.equal(side.hostName, main.hostName)
    assert.equal(
      world.hosts.find(({ name }) => name === main.hostName)!.runtime.specOf(side.containerId!).networkMode,
      `container:${main.containerId}`,
    )
  })

  test('an image that was removed on the host by hand is loaded again', async () => {
    const first = await running()
    await done(first.id, { do: 'delete' })
    await runtime().imageRemove('quaystone/image')
    assert.equal((await running()).state, 'running')
    assert.equal(world.images.reads, 2)
  })

  test('the same id again changes nothing', async () => {
    const workload = await running()
    const again = await world.db.transaction((tx) =>
      cloud.facade.ensure(tx, { ...workload, spec: specOf({ hostname: 'other' }) }),
    )
    assert.equal(again.spec.hostname, 'web')
    await cloud.settle()
    assert.equal(runtime().calls.get('create'), 1)
  })
})

describe('failing to build', () => {
  test('an image without a command is explained, first after loading, then before placing', async () => {
    world.images.commands.set('empty', [])
    const first = await running({ imageId: 'empty' })
    assert.equal(first.state, 'error')
    assert.match(first.fault!.message, /Image empty has no CMD and no ENTRYPOINT/)
    assert.match(first.fault!.details, /os_command_line/)
    const second = await running({ imageId: 'empty' })
    assert.deepEqual([second.state, second.hostName], ['error', null])
    assert.equal((await running({ imageId: 'empty', command: ['sleep', '1d'] })).state, 'running')
    await assertClean()
  })

  test('no host fits: the reason of each filter is in the fault', async () => {
    const workload = await running({ resources: { vcpus: 9, ramMiB: 64, diskGiB: 1 } })
    assert.equal(workload.state, 'error')
    assert.match(workload.fault!.message, /^No valid host was found\./)
    assert.match(
      workload.fault!.details,
      /Resources turned away 1 of 1 host\(s\): 9 VCPU asked, but one workload may have at most 8/,
    )
  })

  test('a port that cannot be plugged fails the build, and nothing half-made stays', async () => {
    const { id } = await createWorkload(world, cloud.facade)
    host().network.failPort(world.ports.of(id)[0]!.id, 'no such bridge')
    await cloud.settle()
    const workload = await now(id)
    assert.equal(workload.state, 'error')
    assert.match(workload.fault!.message, /failed at step 'spawning': .*no such bridge/)
    assert.deepEqual(
      [await runtime().list(), host().network.ports.size, world.ports.of(id)[0]!.status],
      [[], 0, 'DOWN'],
    )
    assert.equal(
      runtime().history.some((line) => line.startsWith('command')),
      false,
    )
    await assertClean()
  })

  test('what the engine refuses is passed on in its own words', async () => {
    const { id } = await createWorkload(world, cloud.facade)
    runtime().failNext('create', badRequest('invalid mount config for type "bind"'))
    await cloud.settle()
    assert.deepEqual([(await now(id)).state, (await now(id)).fault?.code], ['error', 400])
    assert.match((await now(id)).fault!.message, /invalid mount config/)
  })

  test('a missing image says so', async () => {
    const workload = await running({ imageId: 'nowhere' })
    assert.deepEqual([workload.state, workload.fault?.code], ['error', 404])
    assert.match(workload.fault!.message, /Image nowhere could not be found/)
  })

  test('a command that fails at once ends in error with its last words', async () => {
    const workload = await running({ command: ['sh', '-c', 'echo no database; exit 3'] })
    assert.equal(workload.state, 'error')
    assert.match(workload.fault!.message, /'sh -c .*' ended with exit code 3/)
    assert.match(workload.fault!.details, /no database/)
    assert.equal(workload.exitCode, 3)
    assert.equal((await cloud.facade.logs(workload.id)).toString(), 'no database\n')
  })

  test('a command that finishes leaves a stopped workload that explains itself', async () => {
    const workload = await running({ command: ['true'] })
    assert.equal(workload.state, 'stopped')
    assert.match(workload.fault!.details, /stays in the foreground/)
  })

  test('an engine that is away is waited for', async () => {
    const clock = new ManualClock()
    await world.close()
    world = await testWorld({ clock })
    cloud = world.process()
    const { id } = await createWorkload(world, cloud.facade)
    runtime().failNext('create', unavailable('the engine restarts'))
    await cloud.settle()
    assert.deepEqual([(await now(id)).state, (await now(id)).fault], ['building', null])
    clock.advance(2000)
    await cloud.settle()
    assert.equal((await now(id)).state, 'running')
  })

  test('a host that comes back is not kept waiting by the back-off of what failed on it', async () => {
    const clock = new ManualClock()
    await world.close()
    world = await testWorld({ clock })
    cloud = world.process()
    await cloud.settle()
    const { id } = await createWorkload(world, cloud.facade)
    await cloud.runner.pass('workloads.place')
    runtime().goDown()
    for (let tries = 0; tries < 9; tries++) {
      await cloud.settle()
      clock.advance(60_000)
    }
    assert.equal((await now(id)).state, 'building')
    runtime().comeBack()
    await cloud.settle()
    assert.equal((await now(id)).state, 'running')
  })

  test('a rebuild after a failed build is placed anew', async () => {
    const { id } = await createWorkload(world, cloud.facade)
    runtime().failNext('create', badRequest('no'))
    await cloud.settle()
    assert.equal((await now(id)).state, 'error')
    assert.equal((await done(id, { do: 'rebuild', spec: specOf() })).state, 'running')
    await done(id, { do: 'delete' })
    await assertClean()
  })
})

describe('orders', () => {
  test('stop, start, reboot softly and hard', async () => {
    const { id, pid } = await running()
    const stopped = await done(id, { do: 'stop', graceSeconds: 1 })
    assert.deepEqual(
      [stopped.state, stopped.exitCode, stopped.pid, world.ports.of(id)[0]!.status],
      ['stopped', 143, 0, 'DOWN'],
    )
    const started = await done(id, { do: 'start' })
    assert.deepEqual([started.state, started.fault, world.ports.of(id)[0]!.status], ['running', null, 'ACTIVE'])
    const soft = await done(id, { do: 'reboot', hard: false })
    const hard = await done(id, { do: 'reboot', hard: true })
    assert.equal(new Set([pid, started.pid, soft.pid, hard.pid]).size, 4)
    assert.equal(host().network.ports.get(world.ports.of(id)[0]!.id)!.sandbox!.pid, hard.pid)
  })

  test('pause and unpause, suspend and resume keep the process', async () => {
    const { id, pid } = await running()
    assert.equal((await done(id, { do: 'pause' })).state, 'paused')
    assert.equal((await runtime().list())[0]!.state, 'paused')
    assert.equal((await done(id, { do: 'unpause' })).state, 'running')
    assert.equal((await done(id, { do: 'suspend' })).state, 'suspended')
    const resumed = await done(id, { do: 'resume' })
    assert.deepEqual([resumed.state, resumed.pid], ['running', pid])
    await done(id, { do: 'pause' })
    assert.equal((await done(id, { do: 'stop' })).state, 'stopped')
  })

  test('a rebuild replaces the container and keeps the ports', async () => {
    world.images.commands.set('next', ['sleep', '2d'])
    const before = await running()
    const [port] = world.ports.of(before.id)
    const after = await done(before.id, { do: 'rebuild', spec: specOf({ imageId: 'next' }) })
    assert.notEqual(after.containerId, before.containerId)
    assert.deepEqual(
      (await runtime().list()).map(({ command }) => command),
      [['sleep', '2d']],
    )
    assert.deepEqual(
      world.ports.of(before.id).map(({ id }) => id),
      [port!.id],
    )
    await done(before.id, { do: 'stop' })
    assert.equal((await done(before.id, { do: 'rebuild', spec: specOf() })).state, 'stopped')
    assert.equal((await done(before.id, { do: 'start' })).state, 'running')
  })

  test('a resize changes the limits and the claim; what does not fit is refused at once', async () => {
    const { id } = await running()
    await done(id, { do: 'resize', spec: specOf({ resources: { vcpus: 2, ramMiB: 128, diskGiB: 1 } }) })
    assert.deepEqual(
      (await runtime().list()).map((one) => runtime().specOf(one.id).resources.ramMiB),
      [128],
    )
    await assert.rejects(
      order(id, { do: 'resize', spec: specOf({ resources: { vcpus: 99, ramMiB: 64, diskGiB: 1 } }) }),
      (error) => isRefusal(error) && error.kind === 'conflict' && /cannot hold 99 VCPU/.test(error.message),
    )
    assert.equal((await now(id)).spec.resources.vcpus, 2)
  })

  test('a new port is plugged into the running container', async () => {
    const { id, pid } = await running()
    world.ports.add(id)
    await done(id, { do: 'replug' })
    const added = world.ports.of(id)[1]!
    assert.deepEqual([added.status, host().network.ports.get(added.id)?.sandbox?.pid], ['ACTIVE', pid])
  })

  test('a deletion removes everything, whenever it comes', async () => {
    const late = await running()
    const early = await createWorkload(world, cloud.facade)
    assert.equal((await done(late.id, { do: 'delete' })).state, 'deleted')
    assert.equal((await done(early.id, { do: 'delete' })).state, 'deleted')
    assert.deepEqual([await runtime().list(), host().network.ports.size, world.ports.ports.size], [[], 0, 0])
    assert.equal(await order(late.id, { do: 'delete' }), (await now(late.id)).generation)
    await assertClean()
  })

  test('an order that the state forbids is refused, and so is one while another is under way', async () => {
    const { id } = await running()
    await assert.rejects(
      order(id, { do: 'start' }),
      /Cannot 'start' workload .* while it is running; it can be done when it is stopped or error/,
    )
    await order(id, { do: 'stop' })
    await assert.rejects(order(id, { do: 'pause' }), /earlier order is under way \(powering-off\)/)
    assert.equal((await now(id)).step, 'powering-off')
    await assert.rejects(order('nobody', { do: 'stop' }), (error) => isRefusal(error) && error.kind === 'notFound')
  })

  test('an order that fails says why, and leaves what the engine has', async () => {
    const { id } = await running()
    runtime().failNext('pause', badRequest('freezer is busy'))
    const workload = await done(id, { do: 'pause' })
    assert.equal(workload.state, 'running')
    assert.match(workload.fault!.message, /'pause' failed: freezer is busy/)
  })
})

describe('questions', () => {
  test('logs, exec, stats and snapshot ask the container', async () => {
    const { id } = await running()
    assert.equal((await cloud.facade.exec(id, ['echo', 'hi'])).output.toString(), 'hi\n')
    assert.equal((await cloud.facade.stats(id)).memoryMaxBytes, 64 * 2 ** 20)
    await cloud.facade.snapshot(id, 'shot')
    await cloud.facade.snapshot(id, 'shot')
    assert.ok(world.images.uploaded.get('shot')!.length > 0)
    assert.deepEqual(
      (await runtime().imageList()).flatMap(({ tags }) => tags),
      ['quaystone/image:latest'],
    )
    await assert.rejects(cloud.facade.logs('nobody'), /could not be found/)
  })

  test('hosts are what they are, not what is promised', async () => {
    await running()
    const [info] = await cloud.facade.hosts()
    assert.deepEqual(
      [info!.vcpus, info!.ramMiB, info!.up, info!.enabled, info!.runningWorkloads],
      [8, 16384, true, true, 1],
    )
    await cloud.facade.hostUpdate('host-1', { enabled: false, disabledReason: 'repair' })
    assert.match((await running()).fault!.details, /host-1 is disabled \(repair\)/)
    await cloud.facade.hostUpdate('host-1', { enabled: true, availabilityZone: 'east' })
    assert.equal((await running({ scheduling: { availabilityZone: 'east' } })).state, 'running')
  })
})

describe('placing on several hosts', () => {
  beforeEach(async () => {
    await world.close()
    world = await testWorld({ hosts: 3 })
    cloud = world.process()
  })

  test('workloads spread; an anti-affinity group never shares a host, an affinity group always does', async () => {
    const apart = { group: { id: 'apart', policy: 'anti-affinity' as const } },
      together = { group: { id: 'together', policy: 'affinity' as const } }
    const hostsOf = async (scheduling: object, count: number) => {
      const ids = await Promise.all(
        Array.from({ length: count }, async () => (await createWorkload(world, cloud.facade, { scheduling })).id),
      )
      await cloud.settle()
      return [...(await cloud.facade.fetchMany(ids)).values()].map(({ hostName }) => hostName)
    }
    assert.equal(new Set(await hostsOf({}, 3)).size, 3)
    assert.equal(new Set(await hostsOf(apart, 3)).size, 3)
    assert.deepEqual(await hostsOf(apart, 1), [null])
    assert.equal(new Set([...(await hostsOf(together, 2)), ...(await hostsOf(together, 2))]).size, 1)
  })

  test('hints keep workloads apart or together', async () => {
    const first = await running()
    const same = await running({ scheduling: { hints: { same_host: [first.id] } } })
    const other = await running({ scheduling: { hints: { different_host: first.id } } })
    assert.equal(same.hostName, first.hostName)
    assert.notEqual(other.hostName, first.hostName)
  })

  test('a host that dies while building gives its workloads to another', async () => {
    await cloud.settle()
    const { id } = await createWorkload(world, cloud.facade)
    await cloud.runner.pass('workloads.place')
    const lost = world.hosts.find(({ name }) => name === 'host-1')!
    assert.equal((await now(id)).hostName, 'host-1')
    lost.runtime.goDown()
    await cloud.settle()
    const workload = await now(id)
    assert.equal(workload.state, 'running')
    assert.notEqual(workload.hostName, 'host-1')
    lost.runtime.comeBack()
    await cloud.settle()
    await assertClean()
  })
})
