/** Servers that wait for quota: what their owners see, when they start, and how they stop waiting. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { serverFetch, serverInsert } from './store/servers.ts'
import { waitingInsert } from './store/waiting.ts'
import { waitingMax } from './manager/waiting-servers.ts'
import { serversHeld } from './manager/quotas-held.ts'
import { imageId, networkId } from './testing/fake-neighbours.ts'
import { act, show } from './testing/steps.ts'
import { wait, WaitingCloud } from './testing/waiting-cloud.ts'

const waitingTag = 'waiting-for-quota'

for (const database of testDatabases()) {
  describe(`servers that wait for quota on ${database.name}`, () => {
    let bench: WaitingCloud
    beforeEach(async () => {
      bench = await WaitingCloud.start(database, 1)
    })
    afterEach(() => bench.close())

    const ask = (method: string, path: string, options = {}) => bench.cloud.ask(method, path, options)
    const tagsOf = async (id: string) => (await ask('GET', `/v2.1/servers/${id}/tags`, { version: '2.26' })).body.tags
    const statusOf = async (id: string, as = 'alice') => {
      const { status, 'OS-EXT-STS:task_state': task } = await show(bench.cloud, id, { as })
      return [status, task]
    }

    test('a project without room answers 202, and the server waits in BUILD with nothing of its own', async () => {
      await bench.id('first')
      const id = await bench.id('second', { metadata: { a: 'b' } })
      assert.deepEqual(await statusOf(id), ['BUILD', 'scheduling'])
      assert.deepEqual(await tagsOf(id), [waitingTag])
      assert.equal(bench.cloud.workloads.rows.has(id), false)
      assert.deepEqual(await bench.cloud.neutron.portsOf(id), [])
      assert.deepEqual([await bench.standing(id), await bench.instances('project-a')], ['waiting', 1])
      const { message } = await bench.createOf(id)
      assert.match(
        message,
        /^Waiting for quota since [^ ]+Z, now number 1 in line\. Quota exceeded for instances: asked 1/,
      )
    })

    test('who is behind says so, and the list finds who waits by status and by tag', async () => {
      await bench.id('first')
      await bench.id('second')
      const id = await bench.id('third')
      assert.match((await bench.createOf(id)).message, /now number 2 in line/)
      const names = async (query: string, version = '2.26') =>
        (await ask('GET', `/v2.1/servers?${query}`, { version })).body.servers.map(
          ({ name }: { name: string }) => name,
        )
      assert.deepEqual((await names(`tags=${waitingTag}`)).sort(), ['second', 'third'])
      assert.deepEqual((await names('status=BUILD')).sort(), ['first', 'second', 'third'])
    })

    test('with room it is built as it was asked for, and nothing of the wait is left', async () => {
      const first = await bench.id('first')
      const id = await bench.id('second', {
        metadata: { COLOR: 'blue' },
        personality: [{ path: '/etc/motd', contents: 'aGk=' }],
        tags: undefined,
      })
      await bench.end(first)
      await bench.settle()
      const { spec } = bench.cloud.workloads.rows.get(id)!
      assert.deepEqual([spec.env, spec.networkMode], [{ COLOR: 'blue' }, 'tenant'])
      assert.ok(spec.files.some(({ path, content }) => path === '/etc/motd' && content === 'aGk='))
      assert.equal((await bench.cloud.neutron.portsOf(id)).length, 1)
      assert.deepEqual([await bench.waitingRows(), await tagsOf(id), await bench.standing(id)], [[], [], 'committed'])
      assert.equal((await bench.createOf(id)).message, null)
      bench.cloud.workloads.finish(id)
      await bench.cloud.follow()
      assert.deepEqual(await statusOf(id), ['ACTIVE', null])
      assert.deepEqual([(await bench.createOf(id)).message, await bench.instances('project-a')], [null, 1])
    })

    test('two projects are served in fair order: who has less comes first, whoever asked first', async () => {
      await bench.places(2)
      const [a1] = [await bench.id('a1'), await bench.id('a2')]
      const a3 = await bench.id('a3')
      const b1 = await bench.id('b1', { as: 'bob' })
      await bench.end(a1)
      await bench.settle()
      assert.deepEqual([await bench.standing(b1), await bench.standing(a3)], ['committed', 'waiting'])
      assert.equal(bench.cloud.workloads.rows.has(b1), true)
    })

    test('a policy says who waits, and a request may say otherwise', async () => {
      await bench.id('first', { hints: {} })
      assert.equal((await bench.create('refused', { hints: {} })).status, 403)
      await bench.policy('org', { whenFull: 'wait', waitMaxMs: 60_000 })
      const id = await bench.id('waits', { hints: {} })
      assert.match((await bench.createOf(id)).message, /, until [^ ]+Z at most\./)
      const refused = await bench.create('hurry', { hints: { 'quaystone:when_full': 'refuse' } })
      assert.equal(refused.status, 403)
      assert.match(refused.body.forbidden.message, /^Quota exceeded for instances/)
    })

    test('what could never fit is refused, and so are hints that are none', async () => {
      const many = await bench.create('many', { min_count: 2 })
      assert.deepEqual([many.status, many.body.forbidden?.message.includes('Quota exceeded')], [403, true])
      for (const hints of [
        { 'quaystone:when_full': 'maybe' },
        { 'quaystone:wait_max': 0 },
        { 'quaystone:wait_max': 'x' },
      ])
        assert.equal((await bench.create('odd', { hints })).status, 400, JSON.stringify(hints))
      assert.deepEqual(await bench.waitingRows(), [])
    })

    test('deleted while it waits it leaves the line, is gone at once, and whoever is behind moves up', async () => {
      const first = await bench.id('first')
      const [second, third] = [await bench.id('second'), await bench.id('third')]
      await bench.end(second)
      assert.equal((await ask('GET', `/v2.1/servers/${second}`)).status, 404)
      assert.deepEqual([await bench.standing(second), await bench.waitingRows()], [undefined, [third]])
      assert.match((await bench.createOf(third)).message, /now number 1 in line/)
      await bench.end(first)
      await bench.settle()
      assert.equal(await bench.standing(third), 'committed')
    })

    test('what was gathered for it, or granted and not yet used, is free when it is deleted', async () => {
      const first = await bench.id('first')
      const id = await bench.id('second')
      await bench.end(first)
      assert.notEqual(await bench.standing(id), 'waiting')
      assert.equal(await bench.instances('project-a'), 1)
      await bench.end(id)
      assert.deepEqual([await bench.instances('project-a'), await bench.waitingRows()], [0, []])
    })

    test('out of time it is in ERROR, says why, holds nothing, and can be deleted', async () => {
      await bench.id('first')
      const id = await bench.id('late', { hints: { ...wait, 'quaystone:wait_max': '60' } })
      bench.cloud.clock.advance(60_000)
      await bench.serve()
      await bench.settle()
      const { status, fault } = await show(bench.cloud, id)
      assert.deepEqual([status, fault.code], ['ERROR', 403])
      assert.match(
        fault.message,
        /^Quota exceeded: the server waited from .*Z until .*Z in vain\. Quota exceeded for/,
      )
      assert.deepEqual([await tagsOf(id), await bench.waitingRows()], [[], []])
      assert.equal((await bench.createOf(id)).message, 'Error')
      await bench.cloud.follow()
      assert.equal((await show(bench.cloud, id)).status, 'ERROR')
      assert.equal((await act(bench.cloud, id, { 'os-start': null })).status, 409)
      await bench.end(id)
      assert.equal((await ask('GET', `/v2.1/servers/${id}`)).status, 404)
    })

    test('a project that is gone ends the wait of its servers', async () => {
      await bench.id('first', { as: 'bob' })
      const id = await bench.id('orphan')
      await bench.cloud.db.transaction((tx) => bench.quota.forgetProject(tx, 'project-a'))
      const { projectFetch } = bench.cloud.keystone
      bench.cloud.keystone.projectFetch = async () => undefined
      await bench.settle()
      bench.cloud.keystone.projectFetch = projectFetch
      const { status, fault } = await show(bench.cloud, id)
      assert.deepEqual(
        [status, fault.message],
        ['ERROR', 'Project project-a, in whose quota the server waited, is gone.'],
      )
    })

    test('what quota lost though there is time left is asked for again', async () => {
      const first = await bench.id('first')
      const id = await bench.id('second')
      await bench.cloud.db.transaction((tx) => bench.quota.cancel(tx, `nova:server:${id}`))
      assert.equal(await bench.standing(id), undefined)
      await bench.settle()
      assert.equal(await bench.standing(id), 'waiting')
      await bench.end(first)
      await bench.settle()
      assert.equal(await bench.standing(id), 'committed')
    })

    test('orders that a server in BUILD does not take are refused, names and tags can change and count', async () => {
      const first = await bench.id('first')
      const id = await bench.id('second')
      for (const order of [
        { 'os-stop': null },
        { reboot: { type: 'HARD' } },
        { resize: { flavorRef: '1' } },
        { rebuild: { imageRef: imageId } },
        { createImage: { name: 'x' } },
      ])
        assert.equal((await act(bench.cloud, id, order)).status, 409, JSON.stringify(order))
      assert.equal((await ask('GET', `/v2.1/servers/${id}/os-interface`)).status, 200)
      assert.equal((await act(bench.cloud, id, { 'os-getConsoleOutput': {} })).status, 409)
      await ask('PUT', `/v2.1/servers/${id}`, { body: { server: { name: 'renamed' } } })
      await ask('PUT', `/v2.1/servers/${id}/tags/mine`, { version: '2.26' })
      await bench.end(first)
      await bench.settle()
      assert.equal(bench.cloud.workloads.rows.get(id)!.name, 'renamed')
      assert.deepEqual(await tagsOf(id), ['mine'])
    })

    test('what could never be built is refused when it is asked for, and so is the network of who waits', async () => {
      await bench.id('first')
      const id = await bench.id('second')
      const shares = await bench.create('shares', { metadata: { 'docker:network_mode': `container:${id}` } })
      assert.deepEqual([shares.status, /waits for quota/.test(shares.body.conflictingRequest.message)], [409, true])
      const check = bench.cloud.workloads.check
      bench.cloud.workloads.check = () => {
        throw badRequest('Invalid container spec: it is odd')
      }
      const odd = await bench.create('odd')
      bench.cloud.workloads.check = check
      assert.deepEqual([odd.status, odd.body.badRequest.message], [400, 'Invalid container spec: it is odd'])
      assert.deepEqual(await bench.waitingRows(), [id])
    })

    test('security groups given to who waits are those of the ports it will have', async () => {
      const first = await bench.id('first')
      const id = await bench.id('second')
      const order = (what: string, name: string) => act(bench.cloud, id, { [what]: { name } })
      assert.equal((await order('addSecurityGroup', 'web')).status, 202)
      assert.equal((await order('removeSecurityGroup', 'default')).status, 202)
      assert.equal((await order('removeSecurityGroup', 'default')).status, 404)
      assert.deepEqual((await show(bench.cloud, id)).security_groups, [{ name: 'web' }])
      await bench.end(first)
      await bench.settle()
      const [port] = await bench.cloud.neutron.portsOf(id)
      assert.deepEqual(port!.securityGroupIds, ['sg-web'])
    })

    test('whom it was told of is looked at first, everybody at the next look', async () => {
      await bench.places(2)
      const running = [await bench.id('r1'), await bench.id('r2')]
      const [one, other] = [await bench.id('one'), await bench.id('other')]
      const controller = bench.cloud.freshController('nova.build-waiting')
      const subjects = async () => controller.plan(await controller.observe(10)).map(({ subject }) => subject)
      for (const id of running) await bench.end(id)
      assert.equal((await subjects()).length, 2)
      bench.cloud.bus.publish('quota.waiting.granted', { payload: { subject: `nova:server:${one}` } })
      await bench.cloud.bus.flush()
      assert.deepEqual(await subjects(), [`nova:server:${one}`])
      assert.deepEqual(await subjects(), [`nova:server:${one}`])
      assert.deepEqual((await subjects()).sort(), [`nova:server:${one}`, `nova:server:${other}`].sort())
    })

    test('so many of a project may wait, and the next one is refused', async () => {
      const running = await bench.id('running')
      const [{ id }] = (await ask('GET', '/v2.1/servers')).body.servers
      assert.equal(id, running)
      await bench.cloud.db.transaction(async (tx) => {
        const server = (await serverFetch(tx, running))!
        const waiting = { subject: 'x', actionId: 1, reason: '', tagged: false, since: 1, expiresAt: null }
        const plan = { ports: [], referred: {}, personality: [] }
        for (let index = 0; index < waitingMax; index++) {
          const serverId = `crowd-${index}`
          await serverInsert(tx, { ...server, id: serverId, awaited: 0 })
          await waitingInsert(tx, { ...waiting, serverId, plan })
        }
      })
      const refused = await bench.create('one too many')
      assert.equal(refused.status, 403)
      assert.match(refused.body.forbidden.message, /Quota exceeded.*1000 servers of project project-a wait/)
      assert.deepEqual(await bench.quota.waiting('project-a'), [])
      assert.equal((await bench.create('another', { as: 'bob' })).status, 202)
    })

    test('an owner who waits has back what it lent when its borrower has gone', async () => {
      await bench.lending()
      const borrowed = await bench.id('borrowed', { as: 'bob' })
      const id = await bench.id('owner')
      assert.equal(await bench.standing(id), 'waiting')
      await bench.takeBack()
      bench.cloud.clock.advance(60_000)
      await bench.cloud.pass('nova.give-back')
      bench.cloud.workloads.finish(borrowed)
      await bench.cloud.follow()
      await bench.settle()
      assert.deepEqual([await bench.standing(id), bench.cloud.workloads.rows.has(id)], ['committed', true])
      assert.equal((await ask('GET', `/v2.1/servers/${borrowed}`, { as: 'bob' })).status, 404)
    })

    test('a port that the client brought is the server’s from the start, and let go with it', async () => {
      await bench.id('first')
      const port = await bench.cloud.neutron.portEnsure(undefined, {
        id: '33333333-0000-4000-8000-000000000001',
        networkId,
        projectId: 'project-a',
        deviceId: '',
        deviceOwner: '',
      })
      const networks = [{ port: port.id }, { uuid: networkId }]
      const id = await bench.id('bringer', { networks })
      assert.deepEqual(
        (await bench.cloud.neutron.portsOf(id)).map((one) => one.id),
        [port.id],
      )
      assert.equal((await bench.create('thief', { networks })).status, 409)
      await bench.end(id)
      assert.deepEqual(await bench.cloud.neutron.portsOf(id), [])
    })

    test('what cannot be built any more is in ERROR with the reason, and its quota is free', async () => {
      const first = await bench.id('first')
      const id = await bench.id('imageless')
      const image = bench.cloud.glance.images.get(imageId)!
      await bench.end(first)
      bench.cloud.glance.images.delete(imageId)
      await bench.settle()
      bench.cloud.glance.images.set(imageId, image)
      const { status, fault } = await show(bench.cloud, id)
      assert.equal(status, 'ERROR')
      assert.match(fault.message, /could not be built any more: Image .* could not be found/)
      assert.equal(await bench.instances('project-a'), 0)
    })

    test('a locked server that waits is not deleted by its user, and is built all the same', async () => {
      const first = await bench.id('first')
      const id = await bench.id('locked')
      await act(bench.cloud, id, { lock: null })
      await bench.end(first)
      await bench.settle()
      assert.equal(bench.cloud.workloads.rows.has(id), true)
    })

    test('a server that waits used nothing, and is not counted again from its row', async () => {
      await bench.id('first')
      const id = await bench.id('second')
      bench.cloud.clock.advance(3_600_000)
      const { tenant_usage: usage } = (await ask('GET', '/v2.1/os-simple-tenant-usage/project-a')).body
      assert.deepEqual(usage.server_usages ?? [], [])
      const { limits } = (await ask('GET', '/v2.1/limits')).body
      assert.equal(limits.absolute.totalInstancesUsed, 1)
      bench.quota.owns(serversHeld({ db: bench.cloud.db }))
      assert.deepEqual(await bench.quota.owners.drifts(10), [])
      assert.equal(await bench.standing(id), 'waiting')
    })

    test('an administrator’s word on its state does not take it out of the line', async () => {
      const first = await bench.id('first')
      const id = await bench.id('second')
      await act(bench.cloud, id, { 'os-resetState': { state: 'error' } }, { as: 'admin' })
      await bench.end(first)
      await bench.settle()
      bench.cloud.workloads.finish(id)
      await bench.cloud.follow()
      assert.deepEqual(await statusOf(id), ['ACTIVE', null])
    })
  })
}
