/** The filters' answers and explanations, one by one, and the properties every answer has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { filters } from './filters.ts'
import { spread, stack } from './model.ts'
import type { HostSnapshot, PlacementRequest } from './model.ts'
import { createPlacer } from './placer.ts'
import { explainRejections, passes, schedule } from './schedule.ts'

const host = (name: string, change: Partial<HostSnapshot> = {}): HostSnapshot => ({
  name,
  up: true,
  enabled: true,
  disabledReason: null,
  availabilityZone: 'nova',
  architecture: 'x86_64',
  stock: stockOf(16, 8192, 100),
  used: {},
  traits: new Set(),
  groups: new Map(),
  images: new Set(),
  ...change,
})
const stockOf = (vcpus: number, ram: number, disk: number) => ({
  VCPU: { capacity: vcpus, minUnit: 1, maxUnit: vcpus, stepSize: 1 },
  MEMORY_MB: { capacity: ram, minUnit: 1, maxUnit: ram, stepSize: 1 },
  DISK_GB: { capacity: disk, minUnit: 1, maxUnit: disk, stepSize: 1 },
})
const ask = (change: Partial<PlacementRequest> = {}): PlacementRequest => ({
  resources: { VCPU: 1, MEMORY_MB: 512, DISK_GB: 1 },
  requiredTraits: [],
  forbiddenTraits: [],
  differentHosts: [],
  ...change,
})

const refusalOf = (request: PlacementRequest, hosts: HostSnapshot[]) => {
  const placement = schedule(request, hosts)
  assert.equal(placement.host, undefined)
  return placement.host === undefined
    ? { filter: placement.rejections.map(({ filter }) => filter), text: explainRejections(placement) }
    : assert.fail()
}

const cases: {
  about: string
  request: PlacementRequest
  good: HostSnapshot
  bad: HostSnapshot
  filter: string
  says: RegExp
}[] = [
  {
    about: 'a pinned host',
    request: ask({ host: 'a' }),
    good: host('a'),
    bad: host('b'),
    filter: 'HostAsked',
    says: /only host 'a' was asked for, not b/,
  },
  {
    about: 'a host that is down',
    request: ask(),
    good: host('a'),
    bad: host('b', { up: false }),
    filter: 'ComputeUp',
    says: /b is down/,
  },
  {
    about: 'a disabled host',
    request: ask(),
    good: host('a'),
    bad: host('b', { enabled: false, disabledReason: 'new disk' }),
    filter: 'ComputeUp',
    says: /b is disabled \(new disk\)/,
  },
  {
    about: 'another zone',
    request: ask({ availabilityZone: 'east' }),
    good: host('a', { availabilityZone: 'east' }),
    bad: host('b'),
    filter: 'AvailabilityZone',
    says: /not in availability zone 'east'/,
  },
  {
    about: 'another architecture',
    request: ask({ architecture: 'amd64' }),
    good: host('a'),
    bad: host('b', { architecture: 'aarch64' }),
    filter: 'ImageArchitecture',
    says: /for amd64, while b runs aarch64/,
  },
  {
    about: 'a missing trait',
    request: ask({ requiredTraits: ['CUSTOM_SSD'] }),
    good: host('a', { traits: new Set(['CUSTOM_SSD']) }),
    bad: host('b'),
    filter: 'Traits',
    says: /must have CUSTOM_SSD/,
  },
  {
    about: 'a forbidden trait',
    request: ask({ forbiddenTraits: ['CUSTOM_SLOW'] }),
    good: host('a'),
    bad: host('b', { traits: new Set(['CUSTOM_SLOW']) }),
    filter: 'Traits',
    says: /must not have CUSTOM_SLOW/,
  },
  {
    about: 'same_host',
    request: ask({ sameHosts: ['a'] }),
    good: host('a'),
    bad: host('b'),
    filter: 'SameHost',
    says: /same_host asks for a, not b/,
  },
  {
    about: 'different_host',
    request: ask({ differentHosts: ['b'] }),
    good: host('a'),
    bad: host('b'),
    filter: 'DifferentHost',
    says: /excludes b/,
  },
  {
    about: 'affinity',
    request: ask({ group: { id: 'g', policy: 'affinity' }, groupPlaced: true }),
    good: host('a', { groups: new Map([['g', 1]]) }),
    bad: host('b'),
    filter: 'ServerGroupAffinity',
    says: /group g are not on b/,
  },
  {
    about: 'anti-affinity',
    request: ask({ group: { id: 'g', policy: 'anti-affinity' } }),
    good: host('a'),
    bad: host('b', { groups: new Map([['g', 1]]) }),
    filter: 'ServerGroupAntiAffinity',
    says: /already holds 1 member/,
  },
  {
    about: 'a full host',
    request: ask(),
    good: host('a'),
    bad: host('b', { used: { MEMORY_MB: 8000 } }),
    filter: 'Resources',
    says: /512 MEMORY_MB asked, at most 192 free \(of 8192 on b\)/,
  },
  {
    about: 'an amount beyond the largest unit',
    request: ask({ resources: { VCPU: 17 } }),
    good: host('a', { stock: stockOf(32, 1, 1) }),
    bad: host('b'),
    filter: 'Resources',
    says: /at most 16 on any host/,
  },
  {
    about: 'a class nobody offers',
    request: ask({ resources: { CUSTOM_GPU: 1 } }),
    good: host('a', { stock: { CUSTOM_GPU: { capacity: 1, minUnit: 1, maxUnit: 1, stepSize: 1 } } }),
    bad: host('b'),
    filter: 'Resources',
    says: /no host offers CUSTOM_GPU/,
  },
]
for (const { about, request, good, bad, filter, says } of cases) {
  test(`${about}: the fitting host is taken, the other is refused with a reason`, () => {
    assert.equal(schedule(request, [bad, good]).host, good.name)
    const { filter: names, text } = refusalOf(request, [bad])
    assert.deepEqual(names, [filter])
    assert.match(text, says)
  })
}

test('every filter is asked in some case', () => {
  assert.deepEqual([...new Set(cases.map(({ filter }) => filter))].sort(), filters.map(({ name }) => name).sort())
})

test('an anti-affinity group may allow several members on a host', () => {
  const group = { id: 'g', policy: 'anti-affinity' as const, maxPerHost: 2 }
  assert.equal(schedule(ask({ group }), [host('a', { groups: new Map([['g', 1]]) })]).host, 'a')
})

test('spreading prefers the emptier host, stacking the fuller one', () => {
  const hosts = [host('busy', { used: { VCPU: 8, MEMORY_MB: 4096, DISK_GB: 50 } }), host('idle')]
  assert.equal(schedule(ask(), hosts, spread).host, 'idle')
  assert.equal(schedule(ask(), hosts, stack).host, 'busy')
})

test('soft policies prefer, and never refuse', () => {
  const full = host('a', { groups: new Map([['g', 3]]), used: { MEMORY_MB: 4096 } })
  assert.equal(schedule(ask({ group: { id: 'g', policy: 'soft-affinity' } }), [full, host('b')]).host, 'a')
  assert.equal(schedule(ask({ group: { id: 'g', policy: 'soft-anti-affinity' } }), [full, host('b')]).host, 'b')
  assert.equal(schedule(ask({ group: { id: 'g', policy: 'soft-anti-affinity' } }), [full]).host, 'a')
})

test('no hosts at all is said so', () => {
  assert.match(refusalOf(ask(), []).text, /no hosts yet/)
})

const hostsArbitrary = fc
  .array(
    fc.record({
      vcpus: fc.integer({ min: 1, max: 32 }),
      ram: fc.integer({ min: 128, max: 65536 }),
      disk: fc.integer({ min: 1, max: 500 }),
      up: fc.boolean(),
      enabled: fc.boolean(),
      zone: fc.constantFrom('nova', 'east'),
      fast: fc.boolean(),
    }),
    { minLength: 0, maxLength: 12 },
  )
  .map((list) =>
    list.map((item, index) =>
      host(`h${index}`, {
        stock: stockOf(item.vcpus, item.ram, item.disk),
        up: item.up,
        enabled: item.enabled,
        availabilityZone: item.zone,
        traits: new Set(item.fast ? ['CUSTOM_FAST'] : []),
      }),
    ),
  )
const requestArbitrary = fc
  .record({
    vcpus: fc.integer({ min: 1, max: 4 }),
    ram: fc.constantFrom(64, 512, 4096),
    zone: fc.constantFrom(undefined, 'nova', 'east'),
    fast: fc.boolean(),
    group: fc.constantFrom(undefined, 'affinity' as const, 'anti-affinity' as const, 'soft-anti-affinity' as const),
  })
  .map(({ vcpus, ram, zone, fast, group }) =>
    ask({
      resources: { VCPU: vcpus, MEMORY_MB: ram, DISK_GB: 1 },
      availabilityZone: zone,
      requiredTraits: fast ? ['CUSTOM_FAST'] : [],
      group: group && { id: `group-${group}`, policy: group },
    }),
  )

test('the answer passes every filter, no passing host scores better, and the order of hosts does not matter', () => {
  fc.assert(
    fc.property(hostsArbitrary, requestArbitrary, (hosts, request) => {
      const placement = schedule(request, hosts)
      assert.equal(schedule(request, [...hosts].reverse()).host, placement.host)
      const passing = hosts.filter((candidate) => passes(candidate, request))
      if (placement.host === undefined) {
        assert.equal(passing.length, 0)
        assert.equal(
          placement.rejections.reduce((sum, { hosts: count }) => sum + count, 0),
          hosts.length,
        )
      } else assert.ok(passing.some(({ name }) => name === placement.host))
    }),
  )
})

test('placing many gives what scheduling one by one gives, and never fills a host beyond its capacity', () => {
  fc.assert(
    fc.property(
      hostsArbitrary,
      fc.array(requestArbitrary, { maxLength: 60 }),
      fc.constantFrom(spread, stack),
      (hosts, requests, weights) => {
        const placer = createPlacer(hosts, weights)
        const state = new Map(
          hosts.map((item) => [
            item.name,
            { ...item, used: { ...item.used } as Record<string, number>, groups: new Map(item.groups) },
          ]),
        )
        for (const request of requests) {
          const groupPlaced = request.group && [...state.values()].some((item) => item.groups.has(request.group!.id))
          const expected = schedule({ ...request, ...(request.group && { groupPlaced }) }, [...state.values()], weights)
          const placement = placer.place(request)
          assert.equal(placement.host, expected.host)
          if (placement.host === undefined) continue
          const taken = state.get(placement.host)!
          for (const [name, amount] of Object.entries(request.resources)) {
            taken.used[name] = (taken.used[name] ?? 0) + amount
            assert.ok(taken.used[name] <= taken.stock[name]!.capacity)
          }
          if (request.group) taken.groups.set(request.group.id, (taken.groups.get(request.group.id) ?? 0) + 1)
        }
      },
    ),
  )
})
