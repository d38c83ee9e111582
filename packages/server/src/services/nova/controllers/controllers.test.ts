/** Nova's controllers: they do it, do it once, and may die after every step. */
import assert from 'node:assert/strict'
import { controllerSuite } from '#platform/controllers/testing.ts'
import type { ControllerBench } from '#platform/controllers/testing.ts'
import { testDatabases } from '#platform/db/testing.ts'
import type { Tx } from '#platform/db/database.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { assertNoDrift } from '#services/quota/testing.ts'
import { diskSubject, serverSubject } from '../manager/quota-words.ts'
import { NovaCloud } from '../testing/nova-cloud.ts'
import { wait, WaitingCloud } from '../testing/waiting-cloud.ts'
import { act, bootServer, createServer, show } from '../testing/steps.ts'

/** Notes effects by name, and can throw once after the `n`th of them. */
class Effects {
  readonly names: string[] = []
  deadly: number | undefined
  #tried = 0

  note(name: string): void {
    this.names.push(name)
    this.#mayDie()
  }

  /** An effect that only a commit makes: PostgreSQL may run a transaction again, which is not doing it twice. */
  noteIn(tx: Tx, name: string): void {
    tx.afterCommit(() => this.names.push(name))
    this.#mayDie()
  }

  #mayDie(): void {
    this.#tried++
    if (this.#tried !== this.deadly) return
    this.deadly = undefined
    throw new Error('the process died')
  }
}

const benchOf = (cloud: NovaCloud, effects: Effects, name: string, assertDone: () => Promise<void>): ControllerBench =>
  ({
  db: cloud.db,
  controller: () => cloud.freshController(name),
  assertDone,
  effects: () => effects.names,
  dieAfterEffect: (n) => { effects.deadly = n },
  close: () => cloud.close(),
})

/** One server to become ACTIVE, one ERROR, and one whose container is gone. */
const followBench = async (database: TestDatabase): Promise<ControllerBench> => {
  const cloud = await NovaCloud.start(database)
  const [good, bad, gone] = [
    await createServer(cloud, 'good'), await createServer(cloud, 'bad'), await createServer(cloud, 'gone'),
  ]
  cloud.workloads.finish(good)
  cloud.workloads.fail(bad, 'no')
  await cloud.ask('DELETE', `/v2.1/servers/${gone}`)
  cloud.workloads.finish(gone)
  const effects = new Effects()
  const release = cloud.neutron.portsRelease.bind(cloud.neutron)
  cloud.neutron.portsRelease = async (tx, id) => {
    await release(tx, id)
    effects.noteIn(tx as Tx, `release ports of ${id}`)
  }
  return benchOf(cloud, effects, 'nova.follow', async () => {
    assert.equal((await show(cloud, good)).status, 'ACTIVE')
    assert.equal((await show(cloud, bad)).status, 'ERROR')
    assert.equal((await cloud.ask('GET', `/v2.1/servers/${gone}`)).status, 404)
    const subjects = [good, bad].flatMap((id) => [serverSubject(id), diskSubject(id)])
    assert.deepEqual([...cloud.quota.held.keys()].sort(), subjects.sort())
    const actions = (await cloud.ask('GET', `/v2.1/servers/${bad}/os-instance-actions`)).body.instanceActions
    assert.equal(actions[0].message, 'Error')
  })
}

const snapshotBench = async (database: TestDatabase): Promise<ControllerBench> => {
  const cloud = await NovaCloud.start(database)
  const ids = [await bootServer(cloud, 'one'), await bootServer(cloud, 'two')]
  for (const id of ids) await act(cloud, id, { createImage: { name: `of ${id}` } })
  const effects = new Effects()
  cloud.workloads.snapshot = async (id) => effects.note(`image of ${id}`)
  return benchOf(cloud, effects, 'nova.snapshot', async () => {
    for (const id of ids) {
      assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], null)
      const [action] = (await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions`)).body.instanceActions
      assert.deepEqual([action.action, action.message], ['createImage', null])
    }
  })
}

const noticeOf = (id: string, deadlineAt: number, onReclaim: 'delete' | 'stop' = 'delete') =>
  ({
    ...{ subject: serverSubject(id), projectId: 'project-a', claimant: 'project-b' },
    ...{ deadlineAt, onReclaim, wanted: ['cores'] },
  })

/** One server to be warned, one that is due, one whose notice was withdrawn, and one that has stopped for its own. */
const giveBackBench = async (database: TestDatabase): Promise<ControllerBench> => {
  const cloud = await NovaCloud.start(database)
  const [later, due, spared, rests] = [
    await bootServer(cloud, 'later'), await bootServer(cloud, 'due'), await bootServer(cloud, 'spared'),
    await bootServer(cloud, 'rests'),
  ]
  const stop = noticeOf(rests, cloud.clock.now(), 'stop')
  cloud.quota.reclaims = [noticeOf(spared, cloud.clock.now() + 60_000), stop]
  await cloud.pass('nova.give-back')
  cloud.workloads.finish(rests)
  await cloud.follow()
  const now = cloud.clock.now()
  cloud.quota.reclaims = [noticeOf(due, now), noticeOf(later, now + 60_000), stop]
  const effects = new Effects()
  const order = cloud.workloads.order.bind(cloud.workloads)
  cloud.workloads.order = async (tx, id, asked) => {
    const generation = await order(tx, id, asked)
    effects.noteIn(tx as Tx, `${asked.do} ${id}`)
    return generation
  }
  return benchOf(cloud, effects, 'nova.give-back', async () => {
    const tags = async (id: string) =>
      (await cloud.ask('GET', `/v2.1/servers/${id}`, { version: '2.26' })).body.server.tags
    assert.deepEqual([await tags(later), await tags(due), await tags(spared)], [['preemptible'], ['preemptible'], []])
    assert.equal((await show(cloud, due))['OS-EXT-STS:task_state'], 'deleting')
    assert.equal((await show(cloud, later))['OS-EXT-STS:task_state'], null)
    const actionsOf = async (id: string) =>
      (await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions`)).body.instanceActions as { action: string }[]
    assert.deepEqual((await actionsOf(due)).map(({ action }) => action), ['delete', 'reclaim', 'create'])
    assert.deepEqual((await actionsOf(spared)).map(({ action }) => action), ['reclaim', 'create'])
    assert.deepEqual(await tags(rests), ['reclaimed'])
    assert.equal(cloud.quota.held.get(serverSubject(rests))!.deltas.cores, 0)
  })
}

/** One server and a batch of two that were granted, one out of time, and one that waits still. */
const buildWaitingBench = async (database: TestDatabase): Promise<ControllerBench> => {
  const bench = await WaitingCloud.start(database, 4)
  const { cloud } = bench
  const running = [await bench.id('r1'), await bench.id('r2'), await bench.id('r3'), await bench.id('r4')]
  const alone = await bench.id('alone')
  const { reservation_id: batch } = (
    await bench.create('batch', { min_count: 2, max_count: 2, return_reservation_id: true })
  ).body
  const late = await bench.id('late', { hints: { ...wait, 'quaystone:wait_max': 1 } })
  const patient = await bench.id('patient')
  const { servers } = (await cloud.ask('GET', `/v2.1/servers?reservation_id=${batch}`)).body
  const built: string[] = [alone, ...servers.map(({ id }: { id: string }) => id)]
  for (const id of running.slice(0, 3)) await bench.end(id)
  cloud.clock.advance(1000)
  await bench.serve()
  const effects = new Effects()
  const ensure = cloud.workloads.ensure.bind(cloud.workloads)
  cloud.workloads.ensure = async (tx, workload) => {
    const made = await ensure(tx, workload)
    effects.noteIn(tx as Tx, `make ${workload.id}`)
    return made
  }
  return benchOf(cloud, effects, 'nova.build-waiting', async () => {
    for (const id of built) {
      assert.equal(await bench.standing(id), 'committed')
      assert.equal(cloud.workloads.rows.has(id), true)
    }
    assert.equal((await show(cloud, late)).status, 'ERROR')
    assert.deepEqual([await bench.standing(patient), cloud.workloads.rows.has(patient)], ['waiting', false])
    assert.equal(await bench.instances('project-a'), 4)
    await assertNoDrift(cloud.db)
  })
}

for (const database of testDatabases()) {
  controllerSuite({ name: `nova.build-waiting on ${database.name}`, make: () => buildWaitingBench(database) })
  controllerSuite({ name: `nova.give-back on ${database.name}`, make: () => giveBackBench(database) })
  controllerSuite({ name: `nova.follow on ${database.name}`, make: () => followBench(database) })
  controllerSuite({ name: `nova.snapshot on ${database.name}`, make: () => snapshotBench(database) })
}
