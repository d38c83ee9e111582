/** Addresses, prefixes, pools and MACs: known facts, and properties over random input. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalAddress, compareAddresses, formatAddress, parseAddress, type Address } from './address.ts'
import { interfaceIdentifier, isMac, linkLocalAddress, macFromBytes, slaacAddress } from './mac.ts'
import {
  defaultGateway,
  defaultPools,
  isUsableBy,
  lowerBound,
  nextFreeAddress,
  poolContains,
  type Pool,
} from './pools.ts'
import {
  canonicalCidr,
  cidrContains,
  cidrsOverlap,
  containsPrefix,
  formatPrefix,
  hasHostBits,
  netmask,
  overlaps,
  parsePrefix,
  prefixOf,
} from './prefix.ts'

const v4 = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value): Address => ({ version: 4, value }))
const v6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value): Address => ({ version: 6, value }))
// Sparse words make runs of zeros, the interesting part of IPv6 texts.
const sparseV6 = fc
  .array(fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 0xffffn })), { minLength: 8, maxLength: 8 })
  .map((words): Address => ({ version: 6, value: words.reduce((value, word) => (value << 16n) | word, 0n) }))
const address = fc.oneof(v4, v6, sparseV6)
const prefix = fc
  .oneof(
    fc.tuple(v4, fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.oneof(v6, sparseV6), fc.integer({ min: 0, max: 128 })),
  )
  .map(([base, length]) => prefixOf(base, length))
const wanted = (text: string) => {
  const parsed = parsePrefix(text)
  assert.ok(parsed, text)
  return parsed
}
const address4 = (text: string) => {
  const parsed = parseAddress(text)
  assert.ok(parsed, text)
  return parsed
}
const poolTexts = (pools: Pool[]) =>
  pools.map((pool) => [pool.first, pool.last].map((value) => formatAddress({ version: pool.version, value })).join('-'))

test('an address survives formatting and parsing, and Node agrees about its version', () => {
  fc.assert(
    fc.property(address, (given) => {
      const text = formatAddress(given)
      assert.deepEqual(parseAddress(text), given)
      assert.equal(isIP(text), given.version)
    }),
  )
})

test('exactly the texts that Node calls addresses are addresses, zone ids apart', () => {
  const piece = fc.constantFrom(
    '0',
    '1',
    '255',
    '256',
    '01',
    'ab',
    'ffff',
    '10000',
    ':',
    '::',
    '.',
    '1.2.3.4',
    '%',
    '/',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 17 }), (pieces) => {
      const text = pieces.join('')
      assert.equal(parseAddress(text) !== undefined, isIP(text) !== 0 && !text.includes('%'), text)
    }),
    { numRuns: 3000 },
  )
})

test('IPv6 text is the canonical form of RFC 5952, as the URL parser writes it', () => {
  fc.assert(
    fc.property(
      fc.oneof(v6, sparseV6).filter((given) => given.value >> 32n !== 0xffffn),
      (given) => {
        assert.equal(`[${formatAddress(given)}]`, new URL(`http://[${formatAddress(given)}]/`).hostname)
      },
    ),
  )
  assert.equal(canonicalAddress('2001:DB8:0:0:1:0:0:1'), '2001:db8::1:0:0:1')
  assert.equal(canonicalAddress('::ffff:192.0.2.1'), '::ffff:192.0.2.1')
  assert.equal(canonicalAddress('010.0.0.1'), undefined)
})

test('a prefix holds exactly the addresses that share its leading bits', () => {
  fc.assert(
    fc.property(prefix, address, (block, given) => {
      const sameBits = block.version === given.version && prefixOf(given, block.length).first === block.first
      assert.equal(cidrContains(formatPrefix(block), formatAddress(given)), sameBits)
    }),
  )
})

test('two prefixes overlap if and only if one contains the other', () => {
  fc.assert(
    fc.property(prefix, prefix, (a, b) => {
      assert.equal(overlaps(a, b), containsPrefix(a, b) || containsPrefix(b, a))
      assert.equal(cidrsOverlap(formatPrefix(a), formatPrefix(b)), overlaps(b, a))
    }),
  )
  assert.equal(cidrsOverlap('10.0.0.0/8', '10.1.0.0/16'), true)
})

test('host bits are seen and removed', () => {
  assert.equal(hasHostBits(wanted('10.0.0.5/24')), true)
  assert.equal(hasHostBits(wanted('10.0.0.0/24')), false)
  assert.equal(canonicalCidr('2001:db8::5/64'), '2001:db8::/64')
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/08', '::/129', 'x/8']) {
    assert.equal(parsePrefix(text), undefined, text)
  }
})

test('netmask', () => {
  assert.equal(netmask(wanted('10.0.0.0/20')), '255.255.240.0')
  assert.equal(netmask(wanted('0.0.0.0/0')), '0.0.0.0')
  assert.equal(netmask(wanted('2001:db8::/64')), 'ffff:ffff:ffff:ffff::')
})

test('default pools are those of Neutron', () => {
  const pools = (cidr: string, gateway?: string) =>
    poolTexts(defaultPools(wanted(cidr), gateway ? address4(gateway) : undefined))
  assert.deepEqual(pools('10.0.0.0/24', '10.0.0.1'), ['10.0.0.2-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/24', '10.0.0.254'), ['10.0.0.1-10.0.0.253'])
  assert.deepEqual(pools('10.0.0.0/24', '10.0.0.9'), ['10.0.0.1-10.0.0.8', '10.0.0.10-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/24'), ['10.0.0.1-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/24', '10.9.0.1'), ['10.0.0.1-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/31'), ['10.0.0.0-10.0.0.1'])
  assert.deepEqual(pools('10.0.0.0/30', '10.0.0.1'), ['10.0.0.2-10.0.0.2'])
  assert.deepEqual(pools('10.0.0.7/32', '10.0.0.7'), ['10.0.0.7-10.0.0.7'])
  assert.deepEqual(pools('2001:db8::/64', '2001:db8::1'), ['2001:db8::2-2001:db8::ffff:ffff:ffff:ffff'])
  assert.equal(formatAddress(defaultGateway(wanted('10.0.0.0/24'))), '10.0.0.1')
})

test('default pools hold every usable address but the gateway, and nothing else', () => {
  const small = fc.tuple(v4, fc.integer({ min: 24, max: 30 })).map(([base, length]) => prefixOf(base, length))
  fc.assert(
    fc.property(small, fc.bigInt({ min: -3n, max: 260n }), (block, offset) => {
      const gateway: Address = { version: 4, value: block.first + offset }
      const pools = defaultPools(block, gateway)
      for (let value = block.first - 2n; value <= block.last + 2n; value++) {
        const isIn = pools.some((pool) => poolContains(pool, { version: 4, value }))
        assert.equal(
          isIn,
          isUsableBy(block, { version: 4, value }) && value !== gateway.value,
          String(value - block.first),
        )
      }
    }),
    { numRuns: 60 },
  )
})

test('the next free address is the lowest unused one at or after the hint, then from the start', () => {
  const range = fc
    .tuple(fc.bigInt({ min: 0n, max: 60n }), fc.bigInt({ min: 0n, max: 12n }))
    .map(([first, length]): Pool => ({ version: 4, first, last: first + length }))
  const uses = fc.uniqueArray(fc.bigInt({ min: 0n, max: 80n }), { maxLength: 80 })
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 3 }),
      uses,
      fc.option(fc.bigInt({ min: 0n, max: 80n })),
      (pools, used, from) => {
        const sorted = used.toSorted((a, b) => (a < b ? -1 : 1))
        const candidates = pools
          .flatMap((pool) =>
            Array.from({ length: Number(pool.last - pool.first) + 1 }, (_, i) => pool.first + BigInt(i)),
          )
          .filter((value) => !used.includes(value))
        const expected = (from === null ? undefined : candidates.find((value) => value >= from)) ?? candidates[0]
        assert.equal(nextFreeAddress(pools, sorted, from ?? undefined)?.value, expected)
      },
    ),
  )
})

test('one more address of a full /12 costs a bisection, not a walk', () => {
  const used = Array.from({ length: 200_000 }, (_, index) => BigInt(index + 10))
  let reads = 0
  const counted = new Proxy(used, {
    get: (target, key, self) => {
      if (/^\d+$/.test(String(key))) reads++
      return Reflect.get(target, key, self)
    },
  })
  assert.equal(nextFreeAddress([{ version: 4, first: 10n, last: 1_048_586n }], counted)?.value, 200_010n)
  assert.ok(reads < 100, `${reads} reads`)
  assert.equal(lowerBound([1n, 3n, 5n], 4n), 2)
})

test('generated MAC addresses are unicast and in the base of Neutron', () => {
  assert.equal(macFromBytes(Uint8Array.of(1, 0xab, 255)), 'fa:16:3e:01:ab:ff')
  assert.throws(() => macFromBytes(Uint8Array.of(1)), /needs 3 random bytes, 1 given/)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 3, maxLength: 3 }), (bytes) => {
      assert.equal(isMac(macFromBytes(bytes)), true)
    }),
  )
  for (const text of [
    '01:00:5e:00:00:01',
    'ff:ff:ff:ff:ff:ff',
    '00:00:00:00:00:00',
    'fa:16:3e:1:2:3',
    'fa-16-3e-01-02-03',
    '',
  ]) {
    assert.equal(isMac(text), false, text)
  }
})

test('EUI-64 addresses follow RFC 4291', () => {
  assert.equal(interfaceIdentifier('34:56:78:9a:bc:de'), 0x365678fffe9abcden)
  assert.equal(
    formatAddress(slaacAddress(wanted('2001:db8::/64'), 'fa:16:3e:01:02:03')),
    '2001:db8::f816:3eff:fe01:203',
  )
  assert.equal(linkLocalAddress('fa:16:3e:01:02:03'), 'fe80::f816:3eff:fe01:203')
})

test('addresses sort by version, then by number', () => {
  const texts = ['::1', '10.0.0.10', '10.0.0.9', '9.0.0.1']
  assert.deepEqual(texts.map(address4).sort(compareAddresses).map(formatAddress), [
    '9.0.0.1',
    '10.0.0.9',
    '10.0.0.10',
    '::1',
  ])
})
