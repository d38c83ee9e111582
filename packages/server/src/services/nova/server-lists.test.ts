/** Lists of servers: filters, orders, pages, and who may ask for what. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { otherImageId } from './testing/fake-neighbours.ts'
import { NovaCloud } from './testing/nova-cloud.ts'
import type { AskOptions } from './testing/nova-cloud.ts'
import { act, bootServer, createServer } from './testing/steps.ts'

for (const database of testDatabases()) describe(`server lists on ${database.name}`, () => {
  let cloud: NovaCloud
  const ids: Record<string, string> = {}

  before(async () => {
    cloud = await NovaCloud.start(database)
    ids.apple = await bootServer(cloud, 'apple', { tags: ['fruit', 'red'], networks: 'auto' }, { version: '2.52' })
    cloud.clock.advance(10_000)
    ids.pear = await bootServer(
      cloud, 'pear', { tags: ['fruit'], flavorRef: '1', networks: 'auto', description: 'green' }, { version: '2.52' },
    )
    cloud.clock.advance(10_000)
    ids.plum = await bootServer(cloud, 'plum', { imageRef: otherImageId, networks: 'auto' }, { version: '2.52' })
    await act(cloud, ids.plum, { 'os-stop': null })
    cloud.workloads.finish(ids.plum)
    await cloud.follow()
    ids.fresh = await createServer(cloud, 'fresh')
    ids.foreign = await bootServer(cloud, 'foreign', {}, { as: 'bob' })
    await act(cloud, ids.pear, { lock: null })
  })
  after(() => cloud.close())

  const names = async (query: string, options: AskOptions = {}): Promise<string[]> => {
    const answer = await cloud.ask('GET', `/v2.1/servers${query}`, options)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    return answer.body.servers.map((server: { name: string }) => server.name)
  }

  describe('a filter', () => {
    const filters: [query: string, found: string[], options?: AskOptions][] = [
      ['', ['fresh', 'plum', 'pear', 'apple']],
      ['?name=p.*r', ['pear']],
      ['?name=ppl', ['apple']],
      ['?status=active', ['pear', 'apple']],
      ['?status=SHUTOFF&status=BUILD', ['fresh', 'plum']],
      ['?flavor=1', ['pear']],
      [`?image=${otherImageId}`, ['plum']],
      ['?ip=10.0.0.1[01]$', ['pear', 'apple']],
      ['?tags=fruit', ['pear', 'apple'], { version: '2.26' }],
      ['?tags=fruit,red', ['apple'], { version: '2.26' }],
      ['?tags-any=red,blue', ['apple'], { version: '2.26' }],
      ['?not-tags=fruit,red', ['fresh', 'plum', 'pear'], { version: '2.26' }],
      ['?not-tags-any=fruit,red', ['fresh', 'plum'], { version: '2.26' }],
      ['?tags=fruit', ['fresh', 'plum', 'pear', 'apple'], { version: '2.25' }],
      ['?locked=true', ['pear'], { version: '2.73' }],
      ['?vm_state=stopped', ['fresh', 'plum', 'pear', 'apple']],
      ['?host=host-1', ['fresh', 'plum', 'pear', 'apple']],
      ['?host=host-1', [], { as: 'admin' }],
      ['?host=host-1&all_tenants=1', ['foreign', 'plum', 'pear', 'apple'], { as: 'admin' }],
      ['?all_tenants=1&project_id=project-b', ['foreign'], { as: 'admin' }],
      ['?all_tenants=true&vm_state=stopped', ['plum'], { as: 'admin' }],
      ['?power_state=4', ['plum'], { version: '2.83' }],
      ['?deleted=true', ['fresh', 'plum', 'pear', 'apple']],
      ['?sort_key=display_name&sort_dir=asc', ['apple', 'fresh', 'pear', 'plum']],
      ['?sort_key=display_name&sort_dir=desc', ['plum', 'pear', 'fresh', 'apple']],
      ['?sort_key=vm_state&sort_key=display_name&sort_dir=asc&sort_dir=desc', ['pear', 'apple', 'fresh', 'plum']],
      ['?limit=2', ['fresh', 'plum']],
      ['?limit=0', []],
      ['?name=p&limit=1', ['plum']],
      ['?unknown=1', ['fresh', 'plum', 'pear', 'apple'], { version: '2.74' }],
      ['?description=gre&all_tenants=1', ['pear'], { as: 'admin' }],
    ]
    for (const [query, found, options] of filters) {
      const asked = `${query || '(none)'} ${options ? JSON.stringify(options) : ''}`
      test(`${asked} finds ${found.join(', ') || 'nothing'}`, async () => {
        assert.deepEqual(await names(query, options), found)
      })
    }

    const refusals: [query: string, status: number, options?: AskOptions][] = [
      ['?limit=-1', 400], ['?limit=ten', 400], ['?marker=nope', 400], ['?changes-since=yesterday', 400],
      ['?name=(', 400],
      ['?name=(a%2B)%2B', 400],
      ['?status=nope', 400, { version: '2.38' }], ['?all_tenants=1', 403], ['?status=deleted', 403],
      ['?unknown=1', 400, { version: '2.75' }],
      ['?sort_key=nope', 400], ['?sort_key=id', 400, { version: '2.75' }], ['?sort_dir=sideways&sort_key=uuid', 400],
      ['?all_tenants=perhaps', 400],
      ['?_secret=1', 400, { as: 'admin' }], ['?locked=maybe', 400, { version: '2.73' }], ['?sort_key=host', 403],
      ['?changes-since=2024-01-02T00:00:00Z&changes-before=2024-01-01T00:00:00Z', 400, { version: '2.66' }],
    ]
    for (const [query, status, options] of refusals) {
      test(`${query} ${options ? JSON.stringify(options) : ''} is refused with ${status}`, async () => {
        assert.equal((await cloud.ask('GET', `/v2.1/servers/detail${query}`, options)).status, status)
      })
    }

    test(
      'with an unknown status finds nothing before 2.38', async () => assert.deepEqual(await names('?status=nope'), []),
    )

    test('changes-since finds what changed, deleted ones included', async () => {
      const since = new Date(cloud.clock.now() - 60_000).toISOString()
      const gone = await bootServer(cloud, 'gone')
      await cloud.ask('DELETE', `/v2.1/servers/${gone}`)
      cloud.workloads.finish(gone)
      await cloud.follow()
      assert.ok((await names(`?changes-since=${since}`)).includes('gone'))
      assert.ok(!(await names('')).includes('gone'))
      assert.deepEqual(await names(`?changes-since=${new Date(cloud.clock.now() + 60_000).toISOString()}`), [])
    })
  })

  describe('pages', () => {
    const sorts = [
      '', '&sort_key=display_name&sort_dir=asc', '&sort_key=launched_at&sort_dir=asc',
      '&sort_key=task_state&sort_dir=desc',
    ]
    for (const sort of sorts) {
      test(`of one server each show every server once (${sort || 'as they come'})`, async () => {
        const all = await names(`?${sort.slice(1)}`)
        const seen: string[] = []
        let path = `/v2.1/servers/detail?limit=1${sort}`
        for (let turn = 0; path && turn < 10; turn++) {
          const { body } = await cloud.ask('GET', path)
          seen.push(...body.servers.map((server: { name: string }) => server.name))
          path = body.servers_links?.[0].href.replace('http://cloud/compute', '')
        }
        assert.deepEqual(seen, all)
      })
    }

    test('of details ask Neutron once, however many servers', async () => {
      cloud.neutron.calls = 0
      await cloud.ask('GET', '/v2.1/servers/detail', { version: '2.96' })
      assert.equal(cloud.neutron.calls, 1)
    })
  })
})
