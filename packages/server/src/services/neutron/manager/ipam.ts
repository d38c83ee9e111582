/** Addresses: chooses them, checks asked ones, and takes them so that concurrent takers never meet. */
import type { Tx } from '#platform/db/database.ts'
import { canonicalAddress, formatAddress, parseAddress, type Address } from '#engines/cidr/address.ts'
import { slaacAddress } from '#engines/cidr/mac.ts'
import { isUsableBy, nextFreeAddress, type Pool } from '#engines/cidr/pools.ts'
import { containsAddress, parsePrefix, type Prefix } from '#engines/cidr/prefix.ts'
import { addressesOfSubnet, addressTake } from '../store/allocations.ts'
import { equals, list } from '../store/records.ts'
import { subnetKind } from '../store/kinds.ts'
import type { FixedIp, Subnet } from '../store/tables.ts'
import { randomBelow } from './parts.ts'
import { addressTaken, foreignAddress, invalid, noAddressLeft, unusableAddress } from './refusals.ts'

/** What a client or a service asks for one address: its value, its subnet, or both. Neither: any of the network. */
export interface AddressAsk {
  ip_address?: string
  subnet_id?: string
}

/** Whose addresses they are. */
export interface Taker {
  portId: string
  networkId: string
  mac: string
  deviceOwner: string
}

const guessesMax = 6
export const fixedIpsMax = 5

export const prefixOfSubnet = (subnet: Pick<Subnet, 'cidr'>): Prefix => {
  const prefix = parsePrefix(subnet.cidr)
  if (!prefix) throw new Error(`Subnet row holds "${subnet.cidr}", which is not a prefix`)
  return prefix
}

export const poolsOf = (subnet: Pick<Subnet, 'allocation_pools'>): Pool[] =>
  subnet.allocation_pools.map(({ start, end }) => {
    const [first, last] = [parseAddress(start), parseAddress(end)]
    if (!first || !last) throw new Error(`Subnet row holds the pool "${start}-${end}"`)
    return { version: first.version, first: first.value, last: last.value }
  })

export const subnetsOfNetwork = (executor: Tx, networkId: string): Promise<Subnet[]> =>
  list(executor, subnetKind, {
    conditions: [equals('network_id', networkId)],
    sort: [
      { column: 'created_at', direction: 'asc' },
      { column: 'id', direction: 'asc' },
    ],
  })

/** The port makes its own address there from the router's advertisements. */
export const isAutomatic = (subnet: Pick<Subnet, 'ip_version' | 'ipv6_address_mode'>): boolean =>
  subnet.ip_version === 6 && (subnet.ipv6_address_mode === 'slaac' || subnet.ipv6_address_mode === 'dhcpv6-stateless')

/** Takes what was asked for, in order; `undefined` asks for one address of each version, as Neutron gives. */
export const addressesAllocate = async (
  tx: Tx,
  taker: Taker,
  asks: AddressAsk[] | undefined,
  subnets: Subnet[],
): Promise<FixedIp[]> => {
  const taken: FixedIp[] = []
  for (const ask of asks ?? []) taken.push(await takeAsked(tx, taker, ask, subnets))
  if (asks === undefined) taken.push(...(await takeDefaults(tx, taker, subnets)))
  return taken
}

const takeAsked = (tx: Tx, taker: Taker, ask: AddressAsk, subnets: Subnet[]): Promise<FixedIp> => {
  if (ask.subnet_id === undefined && ask.ip_address === undefined)
    return takeAny(tx, taker, servedBy(subnets, taker.deviceOwner))
  const subnet = subnetOf(ask, taker, subnets)
  return ask.ip_address === undefined ? takeAny(tx, taker, [subnet]) : takeThis(tx, taker, subnet, ask.ip_address)
}

const subnetOf = (ask: AddressAsk, taker: Taker, subnets: Subnet[]): Subnet => {
  if (ask.subnet_id !== undefined) {
    const named = subnets.find(({ id }) => id === ask.subnet_id)
    if (named) return named
    throw invalid(
      `Failed to create port on network ${taker.networkId}, because fixed_ips included invalid subnet ${ask.subnet_id}`,
      'fixed_ips',
    )
  }
  const address = parseAddress(ask.ip_address ?? '')
  const found = address && subnets.find((subnet) => containsAddress(prefixOfSubnet(subnet), address))
  if (found) return found
  throw foreignAddress(ask.ip_address ?? '')
}

const takeThis = async (tx: Tx, taker: Taker, subnet: Subnet, text: string): Promise<FixedIp> => {
  const address = parseAddress(text)
  const isRouter = taker.deviceOwner.startsWith('network:router') || subnet.gateway_ip === canonicalAddress(text)
  if (!address || !isUsableBy(prefixOfSubnet(subnet), address, isRouter)) throw unusableAddress(text)
  const ip = formatAddress(address)
  if (await take(tx, taker, subnet, ip)) return { subnet_id: subnet.id, ip_address: ip }
  throw addressTaken(ip, subnet.id)
}

const takeDefaults = async (tx: Tx, taker: Taker, all: Subnet[]): Promise<FixedIp[]> => {
  const subnets = servedBy(all, taker.deviceOwner)
  const taken: FixedIp[] = []
  for (const version of [4, 6]) {
    const candidates = subnets.filter((subnet) => subnet.ip_version === version && !isAutomatic(subnet))
    if (candidates.length > 0) taken.push(await takeAny(tx, taker, candidates))
  }
  for (const subnet of subnets.filter(isAutomatic)) taken.push(await takeAny(tx, taker, [subnet]))
  return taken
}

/** Subnets reserved for kinds of devices serve only these; the others serve everybody else. */
const servedBy = (subnets: Subnet[], deviceOwner: string): Subnet[] => {
  const special = subnets.filter(({ service_types }) => service_types.includes(deviceOwner))
  return special.length > 0 ? special : subnets.filter(({ service_types }) => service_types.length === 0)
}

const takeAny = async (tx: Tx, taker: Taker, subnets: Subnet[]): Promise<FixedIp> => {
  for (const subnet of subnets) {
    const ip = isAutomatic(subnet) ? await takeAutomatic(tx, taker, subnet) : await takeFromPools(tx, taker, subnet)
    if (ip !== undefined) return { subnet_id: subnet.id, ip_address: ip }
  }
  throw noAddressLeft(taker.networkId)
}

const takeAutomatic = async (tx: Tx, taker: Taker, subnet: Subnet): Promise<string | undefined> => {
  const ip = formatAddress(slaacAddress(prefixOfSubnet(subnet), taker.mac))
  return (await take(tx, taker, subnet, ip)) ? ip : undefined
}

/** Guesses first, which costs one statement in a pool with room; then looks at what is free. */
const takeFromPools = async (tx: Tx, taker: Taker, subnet: Subnet): Promise<string | undefined> => {
  const pools = poolsOf(subnet)
  for (let guess = 0; guess < guessesMax; guess++) {
    const ip = randomOf(pools)
    if (ip === undefined) return undefined
    if (await take(tx, taker, subnet, ip)) return ip
  }
  return takeFree(tx, taker, subnet, pools)
}

const takeFree = async (tx: Tx, taker: Taker, subnet: Subnet, pools: Pool[]): Promise<string | undefined> => {
  const used = (await addressesOfSubnet(tx, subnet.id)).flatMap(
    ({ ip_address }) => parseAddress(ip_address)?.value ?? [],
  )
  for (;;) {
    const sorted = [...used].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    const free = nextFreeAddress(pools, sorted, parseAddress(randomOf(pools) ?? '')?.value)
    if (!free) return undefined
    if (await take(tx, taker, subnet, formatAddress(free))) return formatAddress(free)
    used.push(free.value)
  }
}

const randomOf = (pools: Pool[]): string | undefined => {
  const size = pools.reduce((sum, pool) => sum + pool.last - pool.first + 1n, 0n)
  if (size === 0n) return undefined
  let offset = randomBelow(size)
  for (const pool of pools) {
    const length = pool.last - pool.first + 1n
    if (offset < length) return formatAddress({ version: pool.version, value: pool.first + offset } satisfies Address)
    offset -= length
  }
  return undefined
}

const take = (tx: Tx, taker: Taker, subnet: Subnet, ip: string): Promise<boolean> =>
  addressTake(tx, { subnet_id: subnet.id, ip_address: ip, port_id: taker.portId, network_id: taker.networkId })
