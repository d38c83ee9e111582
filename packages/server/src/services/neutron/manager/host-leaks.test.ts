/** What a host holds and no row wants is found, and taken away; what rows want stays. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { WantedNetwork } from '../ports.ts'
import { startNeutron } from '../testing.ts'

const stray = (): WantedNetwork => ({
  id: randomUUID(),
  segmentationId: 9,
  mtu: 1450,
  external: false,
  subnets: [],
  hostAddresses: [],
  remotes: [],
  names: [],
})

test('a network that only the host knows is a leak until it is reaped', async () => {
  const neutron = await startNeutron()
  try {
    assert.deepEqual(await neutron.facade.hostLeaks(), { leaks: [], silent: [] })
    const network = stray()
    const port = { mac: 'fa:16:3e:00:00:09', addresses: [], mtu: 1450, adminUp: true, portSecurity: false }
    await neutron.network.plug(
      network,
      {
        ...port,
        id: randomUUID(),
        networkId: network.id,
        allowedAddressPairs: [],
        securityGroupIds: [],
        device: 'eth0',
        primary: true,
        sandbox: { workloadId: randomUUID(), pid: 1, netns: '/proc/1/ns/net' },
      },
      [],
    )
    const { leaks } = await neutron.facade.hostLeaks()
    assert.notEqual(leaks.length, 0)
    assert.deepEqual([...new Set(leaks.map(({ host }) => host))], ['host-1'])
    await neutron.facade.hostLeaksReap()
    assert.deepEqual(await neutron.facade.hostLeaks(), { leaks: [], silent: [] })
  } finally {
    await neutron.close()
  }
})

test('a host that cannot be looked at is silent, and says nothing about the others', async () => {
  const neutron = await startNeutron(undefined, ['host-1', 'host-2'])
  try {
    neutron.network.leaks = async () => {
      throw new Error('no answer')
    }
    assert.deepEqual(await neutron.facade.hostLeaks(), { leaks: [], silent: ['host-1'] })
  } finally {
    await neutron.close()
  }
})
