/** Allocation pools of a subnet: Neutron's defaults, their checks, and the next free address of a pool. */
import { type Address, type IpVersion } from './address.ts'
import { type Prefix } from './prefix.ts'

/** An inclusive range of addresses of one version. */
export interface Pool {
  version: IpVersion
  first: bigint
  last: bigint
}

/**
 * The pools that Neutron makes when none are given: everything but the network and broadcast address (IPv4 up to
 * /30), the subnet-router anycast address (IPv6) and the gateway, which may split the range in two.
 */
export function defaultPools(prefix: Prefix, gateway?: Address): Pool[] {
  const whole = { version: prefix.version, ...usableBounds(prefix) }
  if (prefix.first === prefix.last || gateway?.version !== prefix.version) return [whole]
  return [
    { ...whole, last: minimum(whole.last, gateway.value - 1n) },
    { ...whole, first: maximum(whole.first, gateway.value + 1n) },
  ].filter((pool) => pool.first <= pool.last)
}

/** The gateway that Neutron chooses when none is given: the first address after the network's. */
export const defaultGateway = (prefix: Prefix): Address => {
  const onlyOne = prefix.first === prefix.last
  return { version: prefix.version, value: onlyOne ? prefix.first : prefix.first + 1n }
}

/** True when a host may hold the address: in the block, and neither its network nor its broadcast address. */
export function isUsableBy(prefix: Prefix, address: Address, isRouter = false): boolean {
  if (address.version !== prefix.version || address.value < prefix.first || address.value > prefix.last) return false
  if (prefix.version === 6) return isRouter || prefix.length === 128 || address.value !== prefix.first
  if (prefix.length >= 31) return true
  return address.value !== prefix.first && address.value !== prefix.last
}

export const poolContains = (pool: Pool, address: Address): boolean =>
  pool.version === address.version && pool.first <= address.value && address.value <= pool.last

export const poolsOverlap = (a: Pool, b: Pool): boolean =>
  a.version === b.version && a.first <= b.last && b.first <= a.last

/**
 * The lowest free address at or after `from` (then from the start of the pools), or undefined when all are used.
 * `usedSorted` holds the used addresses in ascending order; a full run is skipped by bisection, so the cost is
 * O(pools × log used) and does not depend on the size of the pools.
 */
export function nextFreeAddress(pools: Pool[], usedSorted: readonly bigint[], from?: bigint): Address | undefined {
  if (from !== undefined) {
    const later = pools
      .filter((pool) => pool.last >= from)
      .map((pool) => ({ ...pool, first: maximum(pool.first, from) }))
    const found = nextFreeAddress(later, usedSorted)
    if (found) return found
  }
  for (const pool of pools) {
    const value = firstGap(pool, usedSorted)
    if (value !== undefined) return { version: pool.version, value }
  }
  return undefined
}

/** Bisects on "everything from `first` up to here is used": the used list is sorted and has no duplicates. */
function firstGap(pool: Pool, used: readonly bigint[]): bigint | undefined {
  const start = lowerBound(used, pool.first)
  let low = start
  let high = used.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (used[middle] === pool.first + BigInt(middle - start)) low = middle + 1
    else high = middle
  }
  const candidate = pool.first + BigInt(low - start)
  return candidate <= pool.last ? candidate : undefined
}

/** The index of the first element that is not less than `value`. */
export function lowerBound(sorted: readonly bigint[], value: bigint): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as bigint) < value) low = middle + 1
    else high = middle
  }
  return low
}

function usableBounds(prefix: Prefix): { first: bigint; last: bigint } {
  if (prefix.first === prefix.last) return { first: prefix.first, last: prefix.last }
  if (prefix.version === 6) return { first: prefix.first + 1n, last: prefix.last }
  return prefix.length <= 30
    ? { first: prefix.first + 1n, last: prefix.last - 1n }
    : { first: prefix.first, last: prefix.last }
}

const minimum = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const maximum = (a: bigint, b: bigint): bigint => (a > b ? a : b)
