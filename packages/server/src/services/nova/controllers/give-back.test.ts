/** Servers give back what quota lent them: what their owners see of it, and what stays theirs. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { ReclaimNotice } from '#services/quota/facade.ts'
import { diskSubject, resizeSubject, serverSubject } from '../manager/quota-words.ts'
import { NovaCloud } from '../testing/nova-cloud.ts'
import { act, actAndFinish, bootServer, serverBody, show } from '../testing/steps.ts'
import { plan } from './give-back.ts'

const graceMs = 30_000

describe('giving back what quota lent', () => {
  let cloud: NovaCloud
  beforeEach(async () => { cloud = await NovaCloud.start() })
  afterEach(() => cloud.close())

  let onReclaim: ReclaimNotice['onReclaim'] = 'delete'
  let wanted = ['cores']
  afterEach(() => {
    onReclaim = 'delete'
    wanted = ['cores']
  })
  const notice = (subject: string, deadlineAt = cloud.clock.now() + graceMs) => {
    cloud.quota.reclaims.push({ subject, projectId: 'project-a', claimant: 'secret', deadlineAt, onReclaim, wanted })
    return deadlineAt
  }
  const pass = () => cloud.pass('nova.give-back')
  const tagsOf = async (id: string) =>
    (await cloud.ask('GET', `/v2.1/servers/${id}/tags`, { version: '2.26' })).body.tags
  const actionsOf = async (id: string) =>
    (await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions`, { version: '2.96' })).body.instanceActions
  const eventOf = async (id: string, requestId: string) => {
    const path = `/v2.1/servers/${id}/os-instance-actions/${requestId}`
    return (await cloud.ask('GET', path, { as: 'admin', version: '2.96' })).body.instanceAction.events[0]
  }

  test('a warned server says until when it lives, wears the tag, and goes on running', async () => {
    const id = await bootServer(cloud, 'warned')
    const deadlineAt = notice(serverSubject(id))
    await pass()
    assert.deepEqual(await tagsOf(id), ['preemptible'])
    const [{ action, message, user_id }] = await actionsOf(id)
    assert.deepEqual([action, user_id], ['reclaim', 'quaystone'])
    assert.ok(message.includes(new Date(deadlineAt).toISOString().slice(0, 19)), message)
    assert.equal((await show(cloud, id)).status, 'ACTIVE')
    cloud.clock.advance(graceMs - 1)
    assert.equal(await pass(), 0, 'nothing happens before the deadline')
  })

  test('at the deadline it is deleted, even locked, and quota has back what it held', async () => {
    const id = await bootServer(cloud, 'due')
    await act(cloud, id, { lock: null })
    notice(serverSubject(id))
    await pass()
    cloud.clock.advance(graceMs)
    assert.equal(await pass(), 1)
    assert.equal(await pass(), 0, 'it is under way')
    cloud.workloads.finish(id)
    await cloud.follow()
    assert.equal(cloud.quota.held.has(serverSubject(id)), false)
    assert.equal(await pass(), 1, 'the warning ends with its server')
    const [deleted, reclaim] = await actionsOf(id)
    assert.deepEqual([deleted.action, reclaim.action], ['delete', 'reclaim'])
    assert.equal((await eventOf(id, reclaim.request_id)).details, 'The server is gone.')
  })

  const deletedOnes = async (as: string) =>
    (await cloud.ask('GET', '/v2.1/servers/detail?changes-since=1970-01-01T00:00:00Z', { as })).body.servers

  test('the fault of who was deleted says what was taken back and why, and not for whom', async () => {
    const id = await bootServer(cloud, 'faulty')
    notice(serverSubject(id), cloud.clock.now())
    await pass()
    assert.equal((await show(cloud, id)).fault, undefined, 'it has not ended yet')
    cloud.workloads.finish(id)
    await cloud.follow()
    const [{ status, fault }] = await deletedOnes('alice')
    assert.deepEqual([status, fault.code, fault.details], ['DELETED', 403, undefined])
    assert.match(fault.message, /only borrowed \(cores\), for a project with a better right to it\. The server was d/)
    assert.match(fault.message, /as this project's policy says \(onReclaim: delete\)\.$/)
    const [, reclaim] = await actionsOf(id)
    assert.deepEqual([reclaim.message, JSON.stringify(fault).includes('secret')], [fault.message, false])
  })

  test('a server in ERROR that is reclaimed has the reason for its end instead of the one for its state', async () => {
    const id = await bootServer(cloud, 'broken')
    await act(cloud, id, { 'os-resetState': { state: 'error' } }, { as: 'admin' })
    notice(serverSubject(id), cloud.clock.now())
    await pass()
    const { status, fault } = await show(cloud, id)
    assert.deepEqual([status, fault.code], ['ERROR', 403])
    assert.match(fault.message, /^Quota took back/)
  })

  test('a withdrawn notice takes the tag away again, and only the one it gave', async () => {
    const [plain, own] = [await bootServer(cloud, 'plain'), await bootServer(cloud, 'own')]
    await cloud.ask('PUT', `/v2.1/servers/${own}/tags`, { version: '2.26', body: { tags: ['preemptible', 'web'] } })
    for (const id of [plain, own]) notice(serverSubject(id))
    await pass()
    cloud.quota.reclaims = []
    await pass()
    assert.deepEqual([await tagsOf(plain), await tagsOf(own)], [[], ['preemptible', 'web']])
    cloud.clock.advance(2 * graceMs)
    assert.equal(await pass(), 0)
    const [{ request_id }] = await actionsOf(plain)
    assert.equal((await eventOf(plain, request_id)).details, 'The notice was withdrawn.')
  })

  test('a notice withdrawn between the look and the step ends nobody', async () => {
    const id = await bootServer(cloud, 'lucky')
    notice(serverSubject(id), cloud.clock.now())
    const controller = cloud.freshController('nova.give-back')
    const steps = controller.plan(await controller.observe(10))
    assert.deepEqual(steps, [{ do: 'end', id }])
    cloud.quota.reclaims = []
    for (const step of steps) await controller.act(step)
    assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], null)
    assert.deepEqual((await actionsOf(id)).map(({ action }: { action: string }) => action), ['create'])
  })

  test('a notice that moved is told anew', async () => {
    const id = await bootServer(cloud, 'moved')
    notice(serverSubject(id))
    await pass()
    cloud.quota.reclaims = []
    const deadlineAt = notice(serverSubject(id), cloud.clock.now() + 2 * graceMs)
    await pass()
    await pass()
    const [latest, earlier] = await actionsOf(id)
    assert.ok(latest.message.includes(new Date(deadlineAt).toISOString().slice(0, 19)))
    assert.equal(earlier.action, 'reclaim')
    assert.deepEqual(await tagsOf(id), ['preemptible'])
  })

  const stopped = async (name: string, resources = ['cores']) => {
    onReclaim = 'stop'
    wanted = resources
    const id = await bootServer(cloud, name)
    notice(serverSubject(id), cloud.clock.now())
    await pass()
    cloud.workloads.finish(id)
    await cloud.follow()
    await pass()
    return id
  }
  const heldBy = (id: string) => cloud.quota.held.get(serverSubject(id))?.deltas

  test('a borrower is stopped, gives back cores and memory, keeps its place, and starts again', async () => {
    const id = await stopped('resting')
    const { status, tags } = await show(cloud, id, { version: '2.26' })
    assert.deepEqual([status, tags], ['SHUTOFF', ['reclaimed']])
    assert.deepEqual(heldBy(id), { instances: 1, cores: 0, ram: 0 })
    const [stop, reclaim] = await actionsOf(id)
    assert.deepEqual([stop.action, reclaim.action], ['stop', 'reclaim'])
    assert.match((await eventOf(id, reclaim.request_id)).details, /for project secret, which misses cores\..*gave back/)
    assert.match(reclaim.message, /only borrowed \(cores\).* was stopped.*\(onReclaim: stop\).*Start it again/)
    assert.doesNotMatch(reclaim.message, /secret/)
    assert.equal(await pass(), 0, 'its notice may stand for as long as its owner waits')
    cloud.quota.reclaims = []
    assert.equal((await act(cloud, id, { 'os-start': null })).status, 202)
    assert.deepEqual(heldBy(id), { instances: 1, cores: 1, ram: 128 })
    assert.deepEqual(await tagsOf(id), [])
  })

  test('a parked server whose project has no room does not start, and says why', async () => {
    const id = await stopped('no room')
    cloud.quota.reclaims = []
    await cloud.quota.setLimits({ projectId: 'project-a', limits: { cores: 0 } })
    const refused = await act(cloud, id, { 'os-start': null })
    assert.equal(refused.status, 403)
    assert.match(refused.body.forbidden.message, /Quota exceeded for cores/)
    assert.equal((await show(cloud, id)).status, 'SHUTOFF')
    assert.deepEqual(await tagsOf(id), ['reclaimed'])
  })

  test('where places are missing, a parked server gives back its own; with too many, one is deleted', async () => {
    await cloud.quota.setLimits({ projectId: 'project-a', limits: { instances: 1 } })
    const parked = await stopped('parked', ['instances'])
    assert.equal(heldBy(parked)!.instances, 0)
    cloud.quota.reclaims = []
    const next = await bootServer(cloud, 'next')
    notice(serverSubject(next), cloud.clock.now())
    await pass()
    assert.equal((await show(cloud, next))['OS-EXT-STS:task_state'], 'deleting')
  })

  test('a parked server whose place is missed later gives that back too, and goes on resting', async () => {
    const id = await stopped('resting')
    assert.equal(heldBy(id)!.instances, 1)
    cloud.quota.reclaims = []
    wanted = ['instances']
    notice(serverSubject(id))
    await pass()
    assert.deepEqual(await tagsOf(id), ['reclaimed', 'preemptible'])
    cloud.clock.advance(graceMs)
    await pass()
    assert.equal(heldBy(id)?.instances ?? 0, 0)
    assert.deepEqual([(await show(cloud, id)).status, await tagsOf(id)], ['SHUTOFF', ['reclaimed']])
    assert.equal(await pass(), 0, 'it has nothing more to give')
  })

  test('a paused borrower is woken to be stopped; one that did not stop is stopped again', async () => {
    onReclaim = 'stop'
    const id = await bootServer(cloud, 'paused')
    await act(cloud, id, { pause: null })
    cloud.workloads.finish(id)
    await cloud.follow()
    notice(serverSubject(id), cloud.clock.now())
    const orders = () => cloud.workloads.orders.filter((one) => one.id === id).map(({ order }) => order.do)
    await pass()
    cloud.workloads.finish(id)
    await cloud.follow()
    await pass()
    cloud.workloads.fail(id, 'the engine is away')
    await cloud.follow()
    await pass()
    await pass()
    assert.deepEqual(orders(), ['start', 'pause', 'unpause', 'stop', 'stop'])
    assert.deepEqual(heldBy(id), { instances: 1, cores: 1, ram: 128 })
  })

  test('a parked server that is deleted leaves nothing behind', async () => {
    const id = await stopped('deleted')
    cloud.quota.reclaims = []
    await cloud.ask('DELETE', `/v2.1/servers/${id}`)
    cloud.workloads.finish(id)
    await cloud.follow()
    assert.equal(await pass(), 1)
    assert.equal(await pass(), 0)
    assert.equal(heldBy(id), undefined)
  })

  test('for its disk a server is deleted, running or parked: stopped it would keep it', async () => {
    onReclaim = 'stop'
    wanted = ['disk']
    const running = await bootServer(cloud, 'running')
    notice(diskSubject(running))
    await pass()
    assert.match((await actionsOf(running))[0].message, /the server is deleted after/)
    cloud.clock.advance(graceMs)
    await pass()
    assert.equal((await show(cloud, running))['OS-EXT-STS:task_state'], 'deleting')
    assert.match((await actionsOf(running))[1].message, /was deleted, because a stopped one keeps its disk\.$/)
    cloud.quota.reclaims = []
    const parked = await stopped('parked')
    assert.deepEqual(cloud.quota.held.get(diskSubject(parked))?.deltas, { disk: 1 })
    wanted = ['disk']
    notice(diskSubject(parked), cloud.clock.now())
    await pass()
    assert.equal((await show(cloud, parked))['OS-EXT-STS:task_state'], 'deleting')
  })

  test('what a resize holds is given back with its server; other services’ subjects are not its business', async () => {
    const id = await bootServer(cloud, 'grown')
    await actAndFinish(cloud, id, { resize: { flavorRef: '84' } })
    const subject = [...cloud.quota.held.keys()].find((one) => one.startsWith(resizeSubject(id, '')))!
    await cloud.quota.reserve(undefined, { projectId: 'project-a', deltas: { cores: 1 }, subject: 'cinder:volume:v' })
    notice(subject)
    notice('cinder:volume:v')
    assert.equal(await pass(), 1)
    assert.deepEqual(await tagsOf(id), ['preemptible'])
  })
})

describe('creating several at once', () => {
  test('a refusal counts all that must be made, so that all of it is taken back', async () => {
    const cloud = await NovaCloud.start()
    await cloud.quota.setLimits({ projectId: 'project-a', limits: { instances: 2 } })
    const asked: unknown[] = []
    const reserve = cloud.quota.reserve.bind(cloud.quota)
    cloud.quota.reserve = async (tx, request) => {
      asked.push(request.deltas.instances)
      return reserve(tx, request)
    }
    const create = (min: number, max: number) => cloud.ask('POST', '/v2.1/servers', {
      body: serverBody('many', { min_count: min, max_count: max }),
    })
    const refused = await create(3, 4)
    assert.deepEqual([refused.status, asked], [403, [3]])
    assert.match(refused.body.forbidden.message, /Requested 3/)
    assert.equal((await create(2, 2)).status, 202)
    assert.deepEqual([...cloud.quota.held.keys()].map((subject) => subject.split(':')[1]), [
      'server', 'server', 'disk', 'disk',
    ])
    await cloud.close()
  })
})

describe('the plan of giving back', () => {
  test('ends the due before it warns, and leaves alone who is being deleted', () => {
    const seen = (serverId: string, deadlineAt: number, taskState: 'deleting' | null = null) =>
      ({ notice: { serverId, deadlineAt, takesDisk: false, wanted: ['cores'] }, server: { taskState } })
    const steps = plan({
      now: 10,
      noticed: [seen('later', 11), seen('due', 10), seen('going', 5, 'deleting'), seen('warned', 12)],
      warnings: [{ server_id: 'warned', deadline_at: 12 }, { server_id: 'spared', deadline_at: 9 }],
      parked: [],
    })
    assert.deepEqual(steps, [{ do: 'end', id: 'due' }, { do: 'warn', id: 'later' }, { do: 'settle', id: 'spared' }])
  })
})
