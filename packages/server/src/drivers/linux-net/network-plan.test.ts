/** The bridge of a network whose subnets hold no address of its own: its services still find the way to who asks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { labNetwork } from './lab.ts'
import { namesOf } from './names.ts'
import { planNetwork } from './network-plan.ts'

const names = namesOf({ cloud: 'test' })
const linesOf = (network: WantedNetwork): string[] =>
  planNetwork(names, undefined, { network, ports: [], neighbours: [], groups: new Map(), reap: true }).base.flatMap(
    ({ lines }) => lines,
  )
const routes = (network: WantedNetwork): string[] => linesOf(network).filter((line) => line.startsWith('route '))
const aliasIn = (network: WantedNetwork): string =>
  / alias (\S+) /.exec(linesOf(network).find((line) => line.includes(' alias ')) ?? '')?.[1] ?? ''

test('a subnet with an address of the network has its route from the kernel', () => {
  assert.deepEqual(routes(labNetwork()), [])
})

test('one without gets a route, and the bridge bears a mark that changes with the list', () => {
  const network = labNetwork({ hostAddresses: [{ cidr: '169.254.169.254/32' }] })
  const [subnet] = network.subnets
  const two = { ...network, subnets: [subnet!, { ...subnet!, id: 'other', cidr: '10.8.0.0/24' }] }
  assert.deepEqual(routes(network), ['route replace 10.9.0.0/24 dev br'])
  assert.deepEqual(routes(two), ['route replace 10.8.0.0/24 dev br', 'route replace 10.9.0.0/24 dev br'])
  assert.notEqual(aliasIn(network), aliasIn(two))
  assert.deepEqual(routes({ ...network, external: true }), [])
})
