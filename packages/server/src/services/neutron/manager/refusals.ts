/** Neutron's refusals, by the type names that its clients know. */
import { badRequest, conflict, notFound, preconditionFailed, type Refusal } from '#platform/errors/errors.ts'
import type { Kind } from '../store/kinds.ts'

export const missing = (kind: Pick<Kind<any>, 'notFound'>, id: string): Refusal =>
  notFound(kind.notFound.sentence(id), { type: kind.notFound.type })

export const invalid = (why: string, field?: string): Refusal =>
  badRequest(`Invalid input for operation: ${why}.`, { type: 'InvalidInput', field })

export const invalidAttribute = (name: string, why: string): Refusal =>
  badRequest(`Invalid input for ${name}. Reason: ${why}.`, { type: 'HTTPBadRequest', field: name })

export const networkInUse = (id: string, portIds: string[]): Refusal =>
  conflict(
    `Unable to complete operation on network ${id}. There are one or more ports still in use on the network, id ` +
      `for these ports is ${portIds.join(',')}.`,
    { type: 'NetworkInUse' },
  )

export const subnetInUse = (
  id: string,
  reason = 'One or more ports have an IP allocation from this subnet.',
): Refusal => conflict(`Unable to complete operation on subnet ${id}: ${reason}`, { type: 'SubnetInUse' })

export const addressTaken = (ip: string, subnetId: string): Refusal =>
  conflict(`IP address ${ip} already allocated in subnet ${subnetId}`, { type: 'IpAddressAlreadyAllocated' })

export const noAddressLeft = (networkId: string): Refusal =>
  conflict(`No more IP addresses available on network ${networkId}.`, { type: 'IpAddressGenerationFailure' })

export const macTaken = (mac: string, networkId: string): Refusal =>
  conflict(`Unable to complete operation for network ${networkId}. The mac address ${mac} is in use.`, {
    type: 'MacAddressInUse',
  })

export const foreignAddress = (ip: string): Refusal =>
  badRequest(`IP address ${ip} is not a valid IP for any of the subnets on the specified network.`, {
    type: 'InvalidIpForNetwork',
  })

export const unusableAddress = (ip: string): Refusal =>
  badRequest(`IP address ${ip} is not a valid IP for the specified subnet.`, { type: 'InvalidIpForSubnet' })

export const staleRevision = (asked: number, have: number): Refusal =>
  preconditionFailed(`Constrained to ${asked}, but current revision is ${have}`, {
    type: 'RevisionNumberConstraintFailed',
  })

export const portGuarded = (id: string, reason: string): Refusal =>
  conflict(`Port ${id} cannot be deleted directly via the port API: ${reason}.`, { type: 'ServicePortInUse' })
