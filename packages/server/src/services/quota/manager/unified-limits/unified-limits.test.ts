/** Keystone's limits over the tree: what they allow, what they refuse, and what stays when they go. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../../testing.ts'
import { Moves } from '../owners-moves.ts'
import { resourceOf } from './words.ts'

for (const database of testDatabases()) {
  describe(`unified limits on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    const open = async (tree: Record<string, string | null>) => {
      bench = await openQuota(database, tree)
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 10 })
    }
    const limit = (id: string, value: number, resourceName = 'servers') => ({
      id,
      serviceType: 'compute',
      regionId: null as string | null,
      resourceName,
      value,
    })
    const follow = async () => {
      for (const step of await bench.followed.differences()) await bench.followed.apply(step)
      assert.deepEqual(await bench.followed.differences(), [], 'what was followed is not followed again')
    }
    const register = async (value: number) => {
      bench.unified.registered = [limit('registered', value)]
      await follow()
    }
    const limitProject = async (projectId: string, value: number, isDomain = false) => {
      const others = bench.unified.limits.filter((one) => one.projectId !== projectId)
      bench.unified.limits = [...others, { ...limit(`of ${projectId}`, value), projectId, isDomain }]
      await follow()
    }
    let taken = 0
    const take = (projectId: string, instances: number) =>
      bench.db.transaction((tx) =>
        bench.front.reserve(tx, { projectId, deltas: { instances }, subject: `claim ${taken++}` }),
      )
    const refusal = (work: Promise<unknown>) =>
      work.then(
        () => assert.fail('must be refused'),
        (error: unknown) => {
          if (!isRefusal(error)) throw error
          return error
        },
      )
    const limitOf = async (projectId: string) => (await bench.front.limits(projectId)).instances

    test('a registered limit is the default, a limit its project’s, until Keystone ends them', async () => {
      await open({ a: null, b: null })
      await register(3)
      await take('a', 3)
      assert.equal((await refusal(take('a', 1))).details.limit, 3)
      await limitProject('b', 1)
      await take('b', 1)
      await refusal(take('b', 1))
      await limitProject('b', 2)
      await take('b', 1)
      bench.unified.limits = []
      await follow()
      assert.equal(await limitOf('b'), 3)
      bench.unified.registered = []
      await follow()
      assert.deepEqual([await limitOf('a'), await limitOf('b')], [10, 10])
      await take('a', 7)
    })

    test('a limit below what is in use evicts nobody and refuses everybody new', async () => {
      await open({ a: null })
      await take('a', 5)
      await limitProject('a', 2)
      assert.equal((await bench.front.usage('a')).instances!.inUse, 0)
      assert.equal((await bench.front.usage('a')).instances!.reserved, 5)
      await refusal(take('a', 1))
    })

    test('a project below others draws on what they have not given away, up to its limit or the default', async () => {
      await open({ org: null, t1: 'org', t2: 'org' })
      await refusal(take('t1', 1))
      await register(5)
      await limitProject('org', 6)
      await limitProject('t1', 4)
      await take('t1', 4)
      await refusal(take('t1', 1))
      await take('t2', 2)
      assert.equal((await refusal(take('t2', 1))).details.node, 'ancestor')
      assert.deepEqual([await limitOf('org'), await limitOf('t1'), await limitOf('t2')], [6, 4, 5])
    })

    test('what children were given stays theirs when a limit comes to less, and nobody gets more', async () => {
      await open({ org: null, t1: 'org', t2: 'org' })
      await bench.front.setLimits({ projectId: 't1', limits: { instances: 8 } })
      await limitProject('org', 3)
      await take('t1', 3)
      await refusal(take('t1', 1))
      assert.equal((await bench.front.usage('org')).instances!.allocated, 8)
      await limitProject('org', 12)
      await take('t1', 5)
    })

    test('what Keystone limits is not set here as well, and what is set beside it stays', async () => {
      await open({ a: null, b: null })
      await bench.front.setLimits({ projectId: 'a', limits: { instances: { own: 9, pool: 1 } } })
      await limitProject('a', 4)
      const refused = await refusal(bench.front.setLimits({ projectId: 'a', limits: { instances: 20 } }))
      assert.match(refused.message, /openstack limit set --resource-limit N of a/)
      await bench.front.setLimits({ projectId: 'a', limits: { instances: 4 } })
      await bench.front.setLimits({ projectId: 'a', limits: { instances: { weight: 3 } } })
      await bench.front.resetLimits('a')
      assert.equal(await limitOf('a'), 4)
      bench.unified.limits = []
      await follow()
      const { pool, limit: now } = (await bench.front.usage('a')).instances!
      assert.deepEqual([pool, now], [1, 10])
    })

    test('with two levels, a domain bounds its projects together, and each has the default', async () => {
      await open({ a: null, b: null })
      bench.unified.model = 'strict_two_level'
      await register(4)
      await limitProject('default', 6, true)
      await take('a', 4)
      await refusal(take('a', 1))
      await take('b', 2)
      await refusal(take('b', 1))
      assert.deepEqual(
        (await bench.board.tree({ isAdmin: true } as never)).map((row) => row.project),
        ['default', 'a', 'b'],
      )
    })

    test('a changed model takes what projects hold below their domain, and back', async () => {
      await open({ a: null, b: null })
      for (const projectId of ['a', 'b']) await take(projectId, 2)
      const moves = new Moves(bench.parts, bench.projects)
      const moveAll = async () => {
        for (const move of await moves.due()) await moves.move(move)
        assert.deepEqual(await moves.due(), [])
      }
      bench.unified.model = 'strict_two_level'
      await moveAll()
      await register(4)
      await limitProject('default', 5, true)
      await take('a', 1)
      assert.equal((await refusal(take('b', 1))).details.node, 'ancestor')
      bench.unified.model = 'flat'
      await moveAll()
      await follow()
      await take('b', 2)
      assert.deepEqual(
        await Promise.all(['a', 'b'].map(async (id) => (await bench.front.usage(id)).instances!.reserved)),
        [3, 4],
      )
    })

    test('a limit of another region is none, and one of this region goes before one of all', async () => {
      await open({ a: null })
      bench.unified.registered = [
        { ...limit('ours', 2), regionId: 'RegionOne' },
        { ...limit('theirs', 7), regionId: 'RegionTwo' },
        limit('all', 5),
      ]
      await follow()
      assert.equal(await limitOf('a'), 2)
    })
  })
}

test('limits are found by the names that clients know, for the service that counts them', () => {
  const declared = new Map([
    ['cores', 'compute'],
    ['disk', 'compute'],
    ['networks', 'neutron'],
  ])
  const found = (serviceType: string, resourceName: string) => resourceOf({ serviceType, resourceName }, declared)
  assert.deepEqual(
    [
      found('compute', 'class:VCPU'),
      found('compute', 'class:DISK_GB'),
      found('compute', 'cores'),
      found('network', 'network'),
      found('network', 'class:VCPU'),
      found('compute', 'class:CUSTOM_GPU'),
      found('image', 'image_size_total'),
    ],
    ['cores', 'disk', 'cores', 'networks', undefined, undefined, undefined],
  )
})
