/** What a subnet must obey, whole: the checks of creation and of each change. Pure. */
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { formatAddress, parseAddress, type Address } from '#engines/cidr/address.ts'
import { poolContains, poolsOverlap, type Pool } from '#engines/cidr/pools.ts'
import {
  cidrsOverlap,
  containsAddress,
  formatPrefix,
  hasHostBits,
  parsePrefix,
  type Prefix,
} from '#engines/cidr/prefix.ts'
import type { AddressRange, Subnet } from '../store/tables.ts'
import { poolsOf } from './ipam.ts'
import { invalid, invalidAttribute } from './refusals.ts'

const nameserversMax = 5
const routesMax = 20

export const cidrOf = (text: string): Prefix => {
  const prefix = parsePrefix(text)
  if (!prefix) throw invalidAttribute('cidr', `'${text}' is not a valid IP subnet`)
  if (hasHostBits(prefix))
    throw invalidAttribute(
      'cidr',
      `'${text}' isn't a recognized IP subnet cidr, '${formatPrefix(prefix)}' is recommended`,
    )
  if (prefix.length === 0) throw invalid('0 is not allowed as CIDR prefix length', 'cidr')
  return prefix
}

export const assertSubnet = (subnet: Subnet, prefix: Prefix, siblings: Subnet[]): void => {
  if (prefix.version !== subnet.ip_version) {
    throw invalid(`cidr ${subnet.cidr} does not match the ip_version ${subnet.ip_version}`, 'cidr')
  }
  const other = siblings.find(({ id, cidr }) => id !== subnet.id && cidrsOverlap(cidr, subnet.cidr))
  if (other) {
    throw invalid(
      `Requested subnet with cidr: ${subnet.cidr} for network: ${subnet.network_id} overlaps with another subnet`,
      'cidr',
    )
  }
  assertModes(subnet, prefix)
  assertGateway(subnet, prefix)
  assertPools(subnet, prefix)
  assertServers(subnet)
}

const assertModes = (subnet: Subnet, prefix: Prefix): void => {
  const { ipv6_ra_mode: ra, ipv6_address_mode: mode } = subnet
  if (!ra && !mode) return
  if (subnet.ip_version === 4)
    throw invalid(`${ra ? 'ipv6_ra_mode' : 'ipv6_address_mode'} is not valid when ip_version is 4`)
  if (!subnet.enable_dhcp)
    throw invalid('ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False')
  if (ra && mode && ra !== mode) {
    throw invalid(
      `ipv6_ra_mode set to '${ra}' with ipv6_address_mode set to '${mode}' is not valid. If both attributes are ` +
        `set, they must be the same value`,
    )
  }
  if ((mode ?? ra) !== 'dhcpv6-stateful' && prefix.length !== 64) {
    throw invalid(
      `Invalid CIDR ${subnet.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which ` +
        `requires the prefix to be /64`,
    )
  }
}

const assertGateway = (subnet: Subnet, prefix: Prefix): void => {
  if (subnet.gateway_ip === null) return
  const gateway = versioned(subnet.gateway_ip, subnet.ip_version, 'gateway_ip')
  if (!containsAddress(prefix, gateway) || isEdge(prefix, gateway))
    throw invalid('Gateway is not valid on subnet', 'gateway_ip')
}

const isEdge = (prefix: Prefix, address: Address): boolean =>
  prefix.version === 4 && prefix.length < 31 && (address.value === prefix.first || address.value === prefix.last)

export const versioned = (text: string, version: number, field: string): Address => {
  const address = parseAddress(text)
  if (!address) throw invalidAttribute(field, `'${text}' is not a valid IP address`)
  if (address.version !== version)
    throw invalid(`${field} '${text}' does not match the ip_version '${version}'`, field)
  return address
}

const shown = ({ version, first, last }: Pool): string =>
  `${formatAddress({ version, value: first })}-${formatAddress({ version, value: last })}`

const assertRange = ({ start, end }: AddressRange, version: number): void => {
  const [first, last] = [start, end].map((text) => versioned(text, version, 'allocation_pools'))
  if (first!.value > last!.value)
    throw badRequest(`The allocation pool ${start}-${end} is not valid.`, { type: 'InvalidAllocationPool' })
}

const assertPools = (subnet: Subnet, prefix: Prefix): void => {
  for (const range of subnet.allocation_pools) assertRange(range, subnet.ip_version)
  const pools = poolsOf(subnet)
  const gateway = subnet.gateway_ip === null ? undefined : parseAddress(subnet.gateway_ip)
  for (const [at, pool] of pools.entries()) {
    const ends = [pool.first, pool.last].map((value) => ({ version: pool.version, value }))
    if (!ends.every((end) => containsAddress(prefix, end) && !isEdge(prefix, end))) {
      throw badRequest(`The allocation pool ${shown(pool)} spans beyond the subnet cidr ${subnet.cidr}.`, {
        type: 'OutOfBoundsAllocationPool',
      })
    }
    const other = pools.slice(0, at).find((earlier) => poolsOverlap(earlier, pool))
    if (other)
      throw conflict(
        `Found overlapping allocation pools: ${shown(other)} ${shown(pool)} for subnet ${subnet.cidr}.`,
        { type: 'OverlappingAllocationPools' },
      )
    if (gateway && poolContains(pool, gateway)) {
      throw conflict(`Gateway ip ${subnet.gateway_ip} conflicts with allocation pool ${shown(pool)}.`, {
        type: 'GatewayConflictWithAllocationPools',
      })
    }
  }
}

const assertServers = (subnet: Subnet): void => {
  if (subnet.dns_nameservers.length > nameserversMax) {
    throw badRequest(
      `Unable to complete operation for ${subnet.id}. The number of DNS nameservers exceeds the limit ` +
        `${nameserversMax}.`,
      { type: 'DNSNameServersExhausted' },
    )
  }
  if (subnet.host_routes.length > routesMax) {
    throw badRequest(
      `Unable to complete operation for ${subnet.id}. The number of host routes exceeds the limit ${routesMax}.`,
      { type: 'HostRoutesExhausted' },
    )
  }
  for (const server of subnet.dns_nameservers) versioned(server, subnet.ip_version, 'dns_nameservers')
  for (const { destination, nexthop } of subnet.host_routes) {
    const prefix = parsePrefix(destination)
    if (!prefix) throw invalidAttribute('host_routes', `'${destination}' is not a valid IP subnet`)
    if (prefix.version !== subnet.ip_version)
      throw invalid(
        `host_routes '${destination}' does not match the ip_version '${subnet.ip_version}'`,
        'host_routes',
      )
    versioned(nexthop, subnet.ip_version, 'host_routes')
  }
}
