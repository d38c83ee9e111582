/** Names of devices on both databases: set in their owner's transaction, planned with its ports, gone with them. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import { startNeutron, type TestNeutron } from '../testing.ts'

for (const { name, open } of testDatabases()) {
  describe(`names of devices on ${name}`, () => {
    let cloud: TestNeutron
    const networks: string[] = []
    before(async () => {
      cloud = await startNeutron(open)
      // The same prefix twice, and a domain for the second.
      for (const network of [{ name: 'blue' }, { name: 'red', dns_domain: 'Lab.Example.' }]) {
        const { body } = await cloud.ask('demo', 'POST', '/networks', { network })
        networks.push(body.network.id)
        // The network's own port takes any address of the pool: those of this test are beside it.
        const pools = { allocation_pools: [{ start: '10.2.0.100', end: '10.2.0.200' }] }
        const subnet = { network_id: body.network.id, ip_version: 4, cidr: '10.2.0.0/24', ...pools }
        assert.equal((await cloud.ask('demo', 'POST', '/subnets', { subnet })).status, 201)
      }
    })
    after(() => cloud.close())

    const ensure = async (deviceId: string, ip: string, networkId = networks[0]!): Promise<void> => {
      const owner = { projectId: cloud.projects.demo!, deviceId, deviceOwner: 'compute:nova', hostName: 'host-1' }
      await cloud.db.transaction((tx) =>
        cloud.facade.portEnsure(tx, { ...owner, id: uuid(), networkId, dnsName: deviceId, fixedIps: [{ ip }] }),
      )
    }
    type Names = Parameters<TestNeutron['facade']['deviceNamesSet']>[2]
    const call = (deviceId: string, names: Partial<Names>): Promise<void> =>
      cloud.db.transaction((tx) => cloud.facade.deviceNamesSet(tx, deviceId, { aliases: [], links: [], ...names }))
    /** As the host is told of them when the device is plugged. */
    const planned = async (deviceId: string) => {
      const [plan] = await cloud.facade.plugPlans(deviceId, { workloadId: deviceId, pid: 0, netns: '' })
      return plan!.network.names.filter(({ isAlias }) => isAlias)
    }

    test('an alias and a link come with the plug, in lower case, and the last word counts', async () => {
      await ensure('db', '10.2.0.20')
      await ensure('web', '10.2.0.10')
      await call('db', { aliases: ['Store', 'kv'] })
      await call('db', { aliases: ['Store', 'store'] })
      await call('web', { links: [{ deviceId: 'db', alias: 'Database' }] })
      assert.deepEqual(await planned('db'), [{ name: 'store', addresses: ['10.2.0.20'], isAlias: true }])
      assert.deepEqual(await planned('web'), [
        { name: 'database', addresses: ['10.2.0.20'], askers: ['10.2.0.10'], isAlias: true },
      ])
    })

    test('a link leads nowhere when the other is gone, and names go with their device', async () => {
      await ensure('gone', '10.2.0.30')
      await ensure('asker', '10.2.0.31')
      await call('gone', { aliases: ['short-lived'] })
      await call('asker', { links: [{ deviceId: 'gone', alias: 'other' }] })
      await cloud.db.transaction((tx) => cloud.facade.portsRelease(tx, 'gone'))
      assert.deepEqual(await planned('asker'), [])
      await ensure('gone', '10.2.0.30')
      assert.deepEqual(await planned('gone'), [])
    })

    test('who has an address is asked of one network at a time', async () => {
      await ensure('here', '10.2.0.40')
      await ensure('there', '10.2.0.40', networks[1]!)
      const [here, there] = await Promise.all(networks.map((id) => cloud.facade.portAt(id, '10.2.0.40')))
      assert.deepEqual([here!.deviceId, here!.dnsDomain], ['here', 'openstacklocal'])
      assert.deepEqual([there!.deviceId, there!.dnsDomain], ['there', 'lab.example'])
      assert.equal(await cloud.facade.portAt(networks[0]!, '10.2.0.41'), undefined)
    })
  })
}
