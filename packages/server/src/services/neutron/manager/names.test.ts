/** Names of networks: whose they are, who may ask for them, and where they lead. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Port } from '../store/tables.ts'
import { domainOf, namesOf } from './names.ts'

const port = (id: string, ip: string, rest: Partial<Port> = {}): Port =>
  ({
    id,
    network_id: 'blue',
    device_id: id,
    dns_name: '',
    attached_at: 1,
    fixed_ips: [{ subnet_id: 's', ip_address: ip }],
    ...rest,
  }) as Port
const link = (device_id: string, name: string, target_id: string) => ({ device_id, name, target_id })
const none = { deviceNames: [], targets: [] }

describe('names of a network', () => {
  test('a port has its own name, one without is called after its address, and one name may have two addresses', () => {
    const ports = [
      port('a', '10.0.0.5', { dns_name: 'Web.' }),
      port('b', '10.0.0.6'),
      port('c', '10.0.0.4', { dns_name: 'web' }),
    ]
    assert.deepEqual(namesOf(ports, none), [
      { name: 'host-10-0-0-6', addresses: ['10.0.0.6'] },
      { name: 'web', addresses: ['10.0.0.4', '10.0.0.5'] },
    ])
  })

  test('devices share an alias; one that is not on the network has none there', () => {
    const deviceNames = [link('a', 'db', ''), link('b', 'db', ''), link('stranger', 'db', '')]
    const names = namesOf([port('b', '10.0.0.6'), port('a', '10.0.0.5')], { deviceNames, targets: [] })
    assert.deepEqual(
      names.filter(({ isAlias }) => isAlias),
      [{ name: 'db', addresses: ['10.0.0.5', '10.0.0.6'], isAlias: true }],
    )
  })

  test("a link leads to the target's address beside the asker, and is for the asker alone", () => {
    const target = port('db1', '10.0.0.9')
    const targets = [port('db1', '10.9.0.9', { network_id: 'red', attached_at: 0 }), target]
    const names = namesOf([port('web', '10.0.0.5'), target], {
      deviceNames: [link('web', 'database', 'db1')],
      targets,
    })
    assert.deepEqual(
      names.find(({ name }) => name === 'database'),
      { name: 'database', addresses: ['10.0.0.9'], askers: ['10.0.0.5'], isAlias: true },
    )
  })

  test('a link to a server of another network leads to its first port, and to nowhere when it has none', () => {
    const far = port('db1', '10.9.0.9', { network_id: 'red' })
    const web = port('web', '10.0.0.5')
    const deviceNames = [link('web', 'database', 'db1'), link('web', 'cache', 'gone')]
    const links = namesOf([web], { deviceNames, targets: [far] }).filter(({ askers }) => askers)
    assert.deepEqual(links, [{ name: 'database', addresses: ['10.9.0.9'], askers: ['10.0.0.5'], isAlias: true }])
  })

  test('a network without a domain has the one that dns_assignment shows', () => {
    assert.equal(domainOf({ dns_domain: '' }), 'openstacklocal')
    assert.equal(domainOf({ dns_domain: 'Lab.Example.' }), 'lab.example')
  })
})
