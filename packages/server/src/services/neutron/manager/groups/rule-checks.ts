/** What a security group rule must obey. Pure. */
import { badRequest } from '#platform/errors/errors.ts'
import { parseAddress, bitsOf } from '#engines/cidr/address.ts'
import { canonicalCidr, parsePrefix } from '#engines/cidr/prefix.ts'
import type { SecurityGroupRule } from '../../store/tables.ts'
import { hasPorts, isForV6Only, isIcmp, protocolNames, protocolOf } from '../protocols.ts'
import { invalidAttribute } from '../refusals.ts'

type Pattern = Pick<
  SecurityGroupRule,
  | 'direction'
  | 'ethertype'
  | 'protocol'
  | 'port_range_min'
  | 'port_range_max'
  | 'remote_ip_prefix'
  | 'remote_group_id'
  | 'remote_address_group_id'
>

const refuse = (type: string, message: string) => badRequest(message, { type })

/** One spelling of each pattern: protocols in lower case, prefixes without host bits. */
export const canonicalPattern = <P extends Pattern>(given: P): P => {
  const pattern = { ...given, protocol: protocolRead(given), remote_ip_prefix: prefixRead(given.remote_ip_prefix) }
  assertPattern(pattern)
  return pattern
}

const protocolRead = ({ protocol, ethertype }: Pattern): string | null => {
  if (protocol === null || protocol === '') return null
  const known = protocolOf(protocol)
  if (known === undefined) {
    throw refuse(
      'SecurityGroupRuleInvalidProtocol',
      `Security group rule protocol ${protocol} not supported. Only protocol values ${protocolNames.join(', ')} ` +
        `and integer representations [0 to 255] are supported.`,
    )
  }
  return ethertype === 'IPv6' && ['icmp', 'icmpv6', '58'].includes(known) ? 'ipv6-icmp' : known
}

const prefixRead = (text: string | null): string | null => {
  if (text === null || text === '') return null
  const address = parseAddress(text)
  const prefix = canonicalCidr(address ? `${text}/${bitsOf(address.version)}` : text)
  if (prefix === undefined)
    throw invalidAttribute('remote_ip_prefix', `'${text}' is not a valid IP address or prefix`)
  return prefix
}

const assertPattern = (pattern: Pattern): void => {
  const { protocol, ethertype, remote_ip_prefix: cidr } = pattern
  const remotes = [cidr, pattern.remote_group_id, pattern.remote_address_group_id].filter((remote) => remote !== null)
  if (remotes.length > 1)
    throw refuse(
      'SecurityGroupRemoteGroupAndRemoteIpPrefix',
      'Only remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.',
    )
  if (cidr !== null && `IPv${parsePrefix(cidr)?.version}` !== ethertype) {
    throw refuse('SecurityGroupRuleParameterConflict', `Conflicting value ethertype ${ethertype} for CIDR ${cidr}`)
  }
  if (protocol !== null && ethertype === 'IPv4' && isForV6Only(protocol)) {
    throw refuse(
      'SecurityGroupEthertypeConflictWithProtocol',
      `Invalid ethertype ${ethertype} for protocol ${protocol}.`,
    )
  }
  assertRange(pattern)
}

const assertRange = ({ protocol, port_range_min: min, port_range_max: max }: Pattern): void => {
  if (min === null && max === null) return
  const wrong = [min, max].find((value) => value !== null && (value < 0 || value > 65_535))
  if (wrong !== undefined) throw refuse('SecurityGroupInvalidPortValue', `Invalid value for port ${wrong}`)
  if (protocol === null)
    throw refuse('SecurityGroupProtocolRequiredWithPorts', 'Must also specify protocol if port range is given.')
  if (isIcmp(protocol)) return assertIcmp(min, max)
  if (!hasPorts(protocol))
    throw refuse('SecurityGroupInvalidProtocolForPort', `Ports cannot be used with protocol ${protocol}.`)
  if (min === 0 || max === 0) throw refuse('SecurityGroupInvalidPortValue', 'Invalid value for port 0')
  if (min === null || max === null || min > max)
    throw refuse('SecurityGroupInvalidPortRange', 'For TCP/UDP protocols, port_range_min must be <= port_range_max')
}

const assertIcmp = (type: number | null, code: number | null): void => {
  for (const [field, attribute, value] of [
    ['type', 'port_range_min', type],
    ['code', 'port_range_max', code],
  ] as const) {
    if (value !== null && value > 255)
      throw refuse(
        'SecurityGroupInvalidIcmpValue',
        `Invalid value for ICMP ${field} (${attribute}) ${value}. It must be 0 to 255.`,
      )
  }
  if (type === null && code !== null)
    throw refuse(
      'SecurityGroupMissingIcmpType',
      `ICMP code (port-range-max) ${code} is provided but ICMP type (port-range-min) is missing.`,
    )
}

/** Two rules that say the same. Their descriptions do not count. */
export const patternKey = (rule: Pattern): string =>
  JSON.stringify([
    rule.direction,
    rule.ethertype,
    rule.protocol,
    rule.port_range_min,
    rule.port_range_max,
    rule.remote_ip_prefix,
    rule.remote_group_id,
    rule.remote_address_group_id,
  ])
