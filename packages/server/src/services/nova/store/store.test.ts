/** Nova's SQL on both databases: read as written, pages complete, names taken once. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import type { Database } from '#platform/db/database.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { Server } from '../manager/model.ts'
import { seedFlavors } from '../manager/seed-flavors.ts'
import { actionFetch, actionInsert, actionsFinish, actionsList } from './actions.ts'
import { aggregateFetch, aggregateInsert } from './aggregates.ts'
import { flavorAccessAdd, flavorAccessList, flavorDelete, flavorFetch, flavorInsert, flavorsList } from './flavors.ts'
import { quotaClassRead, quotaClassWrite } from './quota-classes.ts'
import { keypairDelete, keypairFetch, keypairInsert, keypairsList } from './keypairs.ts'
import { migrationInsert, migrationMove, migrationsList } from './migrations-list.ts'
import { migrations } from './migrations.ts'
import { serverGroupDelete, serverGroupFetch, serverGroupInsert } from './server-groups.ts'
import { serverFetch, serverInsert, serversFind, serversUnsettled, serverTagsReplace, serverUpdate } from './servers.ts'

const serverNamed = (name: string, change: Partial<Server> = {}): Server => ({
  id: uuid(), projectId: 'p', userId: 'u', name, description: null, hostname: name, imageId: uuid(),
  flavor: seedFlavors[0]!,
  oldFlavor: null, keyName: null, keyData: null, metadata: { a: 'b' }, tags: ['x', 'y'], userData: null,
  configDrive: true,
  diskConfig: 'AUTO', accessIpV4: null, accessIpV6: '::1', pinnedZone: null, zone: 'nova', launchIndex: 1,
  reservationId: 'r-1', lockedBy: 'owner', lockedReason: 'why', groupId: null, hints: { k: [1] },
  securityGroups: [{ id: 's', name: 'default' }], trustedCerts: ['c'], vmState: 'active', taskState: null,
  powerState: 1,
  forcedState: null, progress: 0, host: 'h', fault: { code: 500, message: 'm', details: 'd', at: 5 }, awaited: 3,
  createdAt: 10, updatedAt: 20, launchedAt: 15, terminatedAt: null, deletedAt: null, deleted: false, ...change,
})

for (const { name, open } of testDatabases()) {
  describe(`Nova's store on ${name}`, () => {
    let db: Database
    before(async () => { db = await open({ migrations: [{ service: 'nova', migrations }] }) })
    after(() => db.close())

    test('a server is read as it was written, and as it was changed', async () => {
      const server = serverNamed('web')
      await db.transaction((tx) => serverInsert(tx, server))
      assert.deepEqual(await serverFetch(db, server.id), server)
      await db.transaction(async (tx) => {
        await serverUpdate(tx, server.id, { fault: null, oldFlavor: seedFlavors[1]!, lockedBy: null, deleted: true })
        await serverTagsReplace(tx, server.id, ['z'], 30)
      })
      const changed = {
        fault: null, oldFlavor: seedFlavors[1]!, lockedBy: null, deleted: true, tags: ['z'], updatedAt: 30,
      }
      assert.deepEqual(await serverFetch(db, server.id), { ...server, ...changed })
      assert.deepEqual((await serversFind(db, { tags: ['x'] }, { sort: [] })).map((one) => one.id), [])
      assert.deepEqual((await serversFind(db, { tags: ['z'] }, { sort: [] })).map((one) => one.id), [server.id])
    })

    test('a transaction that fails leaves no server and no tag', async () => {
      const server = serverNamed('none', { tags: ['left'] })
      await assert.rejects(db.transaction(async (tx) => {
        await serverInsert(tx, server)
        throw new Error('no')
      }), /no/)
      assert.equal(await serverFetch(db, server.id), undefined)
      assert.deepEqual(await serversFind(db, { tagsAny: ['left'] }, { sort: [] }), [])
    })

    test('unsettled servers are those that build or have a task', async () => {
      const project = uuid()
      const busy = [
        serverNamed('task', { taskState: 'rebooting', projectId: project }),
        serverNamed('build', { vmState: 'building', projectId: project }),
      ]
      await db.transaction(async (tx) => {
        for (const server of [...busy, serverNamed('idle', { projectId: project })]) await serverInsert(tx, server)
      })
      const ids = new Set(await serversUnsettled(db, 100))
      assert.deepEqual(busy.map((server) => ids.has(server.id)), [true, true])
      const all = await serversFind(db, { projectId: project }, { sort: [] })
      assert.deepEqual(all.filter((server) => ids.has(server.id)).length, 2)
    })

    test('an action ends with the order it waited for, and not before', async () => {
      const base = {
        serverId: uuid(), action: 'stop', event: 'e', userId: 'u', projectId: 'p', host: null, message: null,
        result: null,
        details: null, startedAt: 1, finishedAt: null,
      }
      await db.transaction(async (tx) => {
        await actionInsert(tx, { ...base, requestId: 'req-1', generation: 1 })
        await actionInsert(tx, { ...base, requestId: 'req-2', generation: 2 })
        await actionsFinish(tx, base.serverId, 1, { result: 'Error', at: 9, host: 'h', details: 'because' })
      })
      assert.deepEqual(
        (await actionsList(db, base.serverId, {})).map((one) => [one.requestId, one.result]),
        [['req-2', null], ['req-1', 'Error']],
      )
      const ended = (await actionFetch(db, base.serverId, 'req-1'))!
      assert.deepEqual([ended.message, ended.details, ended.finishedAt, ended.updatedAt], ['Error', 'because', 9, 9])
    })

    test('names of flavors, key pairs and aggregates are taken once', async () => {
      const flavor = { ...seedFlavors[0]!, id: uuid(), name: uuid(), isPublic: false, extraSpecs: { a: 'b' } }
      const added = await db.transaction(async (tx) => [
        await flavorInsert(tx, flavor, 1), await flavorInsert(tx, { ...flavor, id: 'other' }, 1),
      ])
      assert.deepEqual(added, [true, false])
      assert.deepEqual(await flavorFetch(db, flavor.id), flavor)
      await db.transaction((tx) => flavorAccessAdd(tx, flavor.id, 'p'))
      assert.deepEqual(await flavorAccessList(db, flavor.id), ['p'])
      const seen = await flavorsList(db, { visibleTo: 'p', sortKey: 'name', descending: false })
      assert.ok(seen.some((one) => one.id === flavor.id))
      assert.equal(await db.transaction((tx) => flavorDelete(tx, flavor.id)), true)

      const keypair = {
        userId: uuid(), name: 'k', type: 'ssh' as const, fingerprint: 'f', publicKey: 'p', createdAt: 1,
      }
      const made = await db.transaction((tx) => keypairInsert(tx, keypair))
      assert.equal(await db.transaction((tx) => keypairInsert(tx, keypair)), undefined)
      assert.deepEqual(await keypairFetch(db, keypair.userId, 'k'), made)
      assert.equal((await keypairsList(db, keypair.userId)).length, 1)
      assert.equal(await db.transaction((tx) => keypairDelete(tx, keypair.userId, 'k')), true)

      const row = { uuid: uuid(), name: uuid(), zone: 'z', metadata: {}, hosts: ['h'], createdAt: 1, updatedAt: null }
      const aggregate = (await db.transaction((tx) => aggregateInsert(tx, row)))!
      assert.equal(await db.transaction((tx) => aggregateInsert(tx, { ...row, uuid: uuid() })), undefined)
      assert.deepEqual(await aggregateFetch(db, aggregate.number), aggregate)
    })

    test('a group loses its members when it goes, and migrations move only from where they are', async () => {
      const group = {
        id: uuid(), projectId: 'p', userId: 'u', name: 'g', policy: 'affinity' as const, rules: {}, members: [],
        createdAt: 1,
      }
      const server = serverNamed('member', { groupId: group.id })
      await db.transaction(async (tx) => {
        await serverGroupInsert(tx, group)
        await serverInsert(tx, server)
      })
      assert.deepEqual((await serverGroupFetch(db, group.id))!.members, [server.id])
      await db.transaction((tx) => serverGroupDelete(tx, group.id))
      assert.equal((await serverFetch(db, server.id))!.groupId, null)

      await db.transaction((tx) => migrationInsert(tx, {
        uuid: uuid(), serverId: server.id, projectId: 'p', userId: 'u', type: 'resize', status: 'migrating', host: 'h',
        oldFlavorId: '1', newFlavorId: '2', createdAt: 1, updatedAt: 1,
      }))
      await db.transaction(async (tx) => {
        await migrationMove(tx, server.id, ['finished'], 'confirmed', 2)
        await migrationMove(tx, server.id, ['migrating'], 'finished', 3)
      })
      assert.deepEqual((await migrationsList(db, { serverId: server.id })).map((one) => one.status), ['finished'])
    })

    test('each class keeps what was last set', async () => {
      for (const [name, cores] of [['default', 1], ['gold', 7], ['default', 2], ['gold', 8]] as const)
        await db.transaction((tx) => quotaClassWrite(tx, name, { cores, ram: 3 }))
      assert.deepEqual(await quotaClassRead(db), { cores: 2, ram: 3 })
      assert.deepEqual(await quotaClassRead(db, 'gold'), { cores: 8, ram: 3 })
      assert.deepEqual(await quotaClassRead(db, 'silver'), {})
    })
  })
}
