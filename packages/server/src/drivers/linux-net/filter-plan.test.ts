/** Filters as plans: what is there is not made again, one port is one port's work, and damage is seen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WantedPort, WantedRule, WantedSecurityGroup } from '#services/neutron/ports.ts'
import { foundFilter } from './filter-found.ts'
import { emptyFound, type FoundFilter } from './filter-model.ts'
import { forget, merge, planAddition, planFilter, planRemoval } from './filter-plan.ts'
import { portFilter, wantedFilter } from './filter-wanted.ts'
import { answerRules, groupRules } from './group-rules.ts'
import { labGroup, labNetwork, labPort, openGroup } from './lab.ts'
import { portDevice } from './names.ts'

const table = 'quaystone_test'
const network = labNetwork()
const groups = [openGroup(), labGroup([{ direction: 'egress' }]), labGroup([{ remoteGroupId: 'r' }])]
const remote: WantedSecurityGroup = { ...labGroup([], ['10.9.0.3', '10.8.0.0/24', 'fd00::1']), id: 'r' }
const byId = new Map([...groups, remote].map((group) => [group.id, group]))
const portOf = (last: number, group: number, change: Partial<WantedPort> = {}): WantedPort =>
  labPort(network, last, { securityGroupIds: [groups[group]?.id ?? ''], ...change })
const ports = fc
  .array(fc.tuple(fc.integer({ min: 3, max: 254 }), fc.integer({ min: 0, max: 2 }), fc.boolean()), { maxLength: 8 })
  .map((list) => list.map(([last, group, portSecurity]) => portOf(last, group, { portSecurity })))
const applied = (list: WantedPort[]): FoundFilter => {
  const found = emptyFound()
  merge(found, wantedFilter(network, list, byId))
  return found
}
const lineCount = (lines: string[]): number => lines.join(', ').split(/, (?=")|\n/).length

test('what is in place needs no line', () => {
  fc.assert(
    fc.property(ports, (list) => {
      assert.deepEqual(planFilter(applied(list), wantedFilter(network, list, byId), table), [])
    }),
  )
})

test('adding a port and taking it away again leaves what was', () => {
  fc.assert(
    fc.property(ports, fc.integer({ min: 0, max: 2 }), (list, group) => {
      const found = applied(list)
      const extra = portOf(77, group)
      merge(found, portFilter(extra, byId))
      assert.deepEqual(planFilter(found, wantedFilter(network, [...list, extra], byId), table), [])
      assert.notDeepEqual(planRemoval(found, `"${portDevice(extra.id)}"`, table), [])
      forget(found, `"${portDevice(extra.id)}"`)
      const left = planFilter(found, wantedFilter(network, list, byId), table)
      assert.deepEqual(
        left.filter((line) => line.includes(portDevice(extra.id))),
        [],
      )
    }),
  )
})

test('one more port costs the same beside none and beside a thousand', () => {
  const many = Array.from({ length: 1000 }, (_, at) => portOf((at % 250) + 3, 2))
  const extra = portOf(99, 2)
  const beside = (list: WantedPort[]): string[] => planAddition(applied(list), portFilter(extra, byId), table)
  assert.deepEqual(beside(many), beside([portOf(5, 2)]))
  assert.ok(lineCount(beside(many)) < 10)
})

test('a member that joins a group is one element', () => {
  const port = portOf(9, 2)
  const grown = new Map(byId).set('r', { ...remote, memberIps: [...remote.memberIps, '10.9.0.4'] })
  assert.deepEqual(planFilter(applied([port]), wantedFilter(network, [port], grown), table), [
    `add element inet ${table} members4_address_${wantedName('r')} { 10.9.0.4 }`,
  ])
})

test('a lost table is made anew in one transaction, and a shortened chain is filled again', () => {
  const port = portOf(9, 0)
  const wanted = wantedFilter(network, [port], byId)
  assert.deepEqual(planFilter(emptyFound(), wanted, table).slice(0, 2), [
    `add table bridge ${table}`,
    `delete table bridge ${table}`,
  ])
  const found = applied([port])
  const [key] = [...found.chains.keys()].filter((name) => name.startsWith('inet/group_ingress'))
  found.chains.set(key ?? '', { rules: 1, print: found.chains.get(key ?? '')?.print ?? '' })
  const lines = planFilter(found, wanted, table)
  assert.match(lines.join('\n'), new RegExp(`flush chain inet ${table} group_ingress`))
  assert.doesNotMatch(lines.join('\n'), /delete table/)
})

test('a listing of nft is read in the words in which we write', () => {
  const json = {
    nftables: [
      { table: { family: 'bridge', name: table } },
      { map: { family: 'bridge', table, name: 'marks', elem: [['qtpa', 5]] } },
      { map: { family: 'inet', table, name: 'ingress', elem: [[5, { jump: { target: 'x' } }]] } },
      { map: { family: 'inet', table, name: 'fixed', elem: [['10.0.0.1', '172.24.4.1']] } },
      {
        set: { family: 'bridge', table, name: 'pairs6', elem: [{ concat: ['qtpa', 'fa:16:3e:00:00:01', 'FE80::1'] }] },
      },
      {
        set: {
          family: 'bridge',
          table,
          name: 'ranges4',
          elem: [{ concat: ['qtpa', 'm', { prefix: { addr: '10.0.0.0', len: 8 } }] }],
        },
      },
      { set: { family: 'bridge', table: 'foreign', name: 'x', elem: ['y'] } },
      { chain: { family: 'inet', table, name: 'c' } },
      { rule: { family: 'inet', table, chain: 'c', comment: 'print:abc' } },
      { rule: { family: 'inet', table, chain: 'c' } },
    ],
  }
  const found = foundFilter(json, table)
  const elements = [...found.sets].map(([key, set]) => [key, [...set.values()].flatMap((some) => [...some])])
  assert.deepEqual(Object.fromEntries(elements), {
    'bridge/marks': ['"qtpa" : 0x00000005'],
    'inet/ingress': ['0x00000005 : jump x'],
    'inet/fixed': ['10.0.0.1 : 172.24.4.1'],
    'bridge/pairs6': ['"qtpa" . fa:16:3e:00:00:01 . fe80::1'],
    'bridge/ranges4': ['"qtpa" . m . 10.0.0.0/8'],
  })
  assert.deepEqual(found.chains.get('inet/c'), { rules: 2, print: '' }, 'a rule behind ours makes the print stale')
})

test('rules of a group in the words of nft', () => {
  const text = (rule: Partial<WantedRule>): string => groupRules(labGroup([rule]), 'ingress').join(' | ')
  assert.equal(text({}), 'meta nfproto ipv4 accept')
  assert.equal(
    text({ protocol: 'tcp', portMin: 80, portMax: 90 }),
    'meta nfproto ipv4 meta l4proto 6 th dport 80-90 accept',
  )
  assert.equal(
    text({ protocol: 'icmp', etherType: 'IPv6', portMin: 128, portMax: 0 }),
    'meta nfproto ipv6 meta l4proto 58 icmpv6 type 128 icmpv6 code 0 accept',
  )
  assert.equal(text({ protocol: 'vrrp', remoteCidr: '10.0.0.7/8' }), 'ip saddr 10.0.0.0/8 meta l4proto 112 accept')
  assert.equal(text({ remoteCidr: 'fd00::/8' }), '', 'a prefix of the other family matches nothing')
  assert.equal(
    text({ remoteAddresses: ['10.0.0.0/8', '10.1.0.0/16', '192.0.2.1'] }),
    'ip saddr { 10.0.0.0/8, 192.0.2.1 } accept',
  )
  assert.throws(() => text({ protocol: 'nonsense' }), /protocol nonsense is neither a known name nor 0 to 255/)
})

test('the same rules, asked about the request that a reply answers', () => {
  const text = (rule: Partial<WantedRule>): string => answerRules(labGroup([rule]), 'ingress').join(' | ')
  assert.equal(
    text({ protocol: 'tcp', portMin: 80, portMax: 90, remoteCidr: '10.0.0.0/8' }),
    'ct original ip saddr 10.0.0.0/8 meta l4proto 6 ct original proto-dst 80-90 accept',
  )
  assert.equal(text({ protocol: 'icmp', portMin: 8 }), 'meta nfproto ipv4 meta l4proto 1 icmp type 0 accept')
  assert.equal(text({ protocol: 'icmp', portMin: 3 }), '', 'what has no answer needs no way for one')
})

function wantedName(id: string): string {
  const [key] = [...wantedFilter(network, [portOf(9, 2)], byId).sets.keys()].filter((name) =>
    name.startsWith('inet/members4_address_'),
  )
  assert.ok(key, id)
  return key.slice('inet/members4_address_'.length)
}
