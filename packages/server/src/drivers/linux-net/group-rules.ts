/** Security-group rules as nft text: one chain per group and direction, remote groups as sets. */
import { parseAddress } from '#engines/cidr/address.ts'
import { containsPrefix, formatPrefix, parsePrefix, type Prefix } from '#engines/cidr/prefix.ts'
import type { WantedRule, WantedSecurityGroup } from '#services/neutron/ports.ts'
import { identifier } from './names.ts'
import { carriesPorts, isIcmpNumber } from '#engines/protocols/ip-protocols.ts'
import { protocolNumber } from './protocols.ts'

export type Direction = 'ingress' | 'egress'

export const groupChain = (groupId: string, direction: Direction): string =>
  `group_${direction}_${identifier(groupId)}`
export const answerChain = (groupId: string, direction: Direction): string =>
  `answers_${direction}_${identifier(groupId)}`

/** Sets of a group's members: exact addresses are hashed, prefixes are in an interval set of their own. */
export const memberSet = (groupId: string, version: 4 | 6, kind: 'address' | 'prefix'): string =>
  `members${version}_${kind}_${identifier(groupId)}`

/** The rules of one direction; none of them accepts means "look at the port's next group". */
export function groupRules(group: WantedSecurityGroup, direction: Direction): string[] {
  return group.rules.filter((rule) => rule.direction === direction).flatMap((rule) => ruleLines(rule, ofPacket))
}

/**
 * What lets a reply pass: each rule, asked about the request that the packet answers. So a rule that is taken away ends
 * the connections it had allowed in both directions, and those that another rule allows go on.
 */
export function answerRules(group: WantedSecurityGroup, direction: Direction): string[] {
  return group.rules.filter((rule) => rule.direction === direction).flatMap((rule) => ruleLines(rule, ofRequest))
}

/** The groups whose members a group's rules name. */
export const remoteGroupIds = (group: WantedSecurityGroup): string[] => [
  ...new Set(group.rules.flatMap((rule) => rule.remoteGroupId ?? [])),
]

/** A group's members as set elements: canonical addresses and prefixes of one version. */
export function memberElements(
  group: WantedSecurityGroup,
  version: 4 | 6,
): { addresses: string[]; prefixes: string[] } {
  const blocks = group.memberIps.map(asPrefix).filter((block) => block?.version === version) as Prefix[]
  const whole = version === 4 ? 32 : 128
  return {
    addresses: [...new Set(blocks.filter((block) => block.length === whole).map(bare))],
    prefixes: outermost(blocks.filter((block) => block.length < whole)).map(formatPrefix),
  }
}

/** How a rule looks at a packet. */
interface Reading {
  /** Before `ip saddr`. */
  address: string
  /** Of the side that was called. */
  port: string
  /** What stands for an ICMP type and code; undefined: no such packet can come. */
  icmp(name: 'icmp' | 'icmpv6', rule: WantedRule): string | undefined
}

const ofPacket: Reading = { address: '', port: 'th dport', icmp: icmpMatch }
const ofRequest: Reading = { address: 'ct original ', port: 'ct original proto-dst', icmp: icmpAnswerMatch }

function ruleLines(rule: WantedRule, reading: Reading): string[] {
  const protocol = protocolMatch(rule, reading)
  if (protocol === undefined) return []
  const tail = [protocol, 'accept'].filter((part) => part !== '').join(' ')
  return remoteMatches(rule, reading).map((remote) => `${remote} ${tail}`)
}

/** The ways in which the other end may match: none of them, no rule. */
function remoteMatches(rule: WantedRule, { address }: Reading): string[] {
  const version = rule.etherType === 'IPv4' ? 4 : 6
  const field = `${address}${version === 4 ? 'ip' : 'ip6'} ${rule.direction === 'ingress' ? 'saddr' : 'daddr'}`
  if (rule.remoteGroupId !== undefined) {
    const kinds = ['address', 'prefix'] as const
    return kinds.map((kind) => `${field} @${memberSet(rule.remoteGroupId ?? '', version, kind)}`)
  }
  if (rule.remoteAddresses !== undefined) {
    const blocks = outermost(
      rule.remoteAddresses.map(asPrefix).filter((block) => block?.version === version) as Prefix[],
    )
    return blocks.length === 0 ? [] : [`${field} { ${blocks.map(textOf).join(', ')} }`]
  }
  const remote = rule.remoteCidr === undefined ? undefined : asPrefix(rule.remoteCidr)
  if (remote !== undefined && remote.version !== version) return []
  return [
    remote === undefined || remote.length === 0
      ? `meta nfproto ${version === 4 ? 'ipv4' : 'ipv6'}`
      : `${field} ${textOf(remote)}`,
  ]
}

function protocolMatch(rule: WantedRule, { port, icmp }: Reading): string | undefined {
  const number = protocolNumber(rule.protocol, rule.etherType)
  if (number === undefined) return ''
  if (isIcmpNumber(number)) return icmp(number === 1 ? 'icmp' : 'icmpv6', rule)
  const { portMin: low, portMax: high } = rule
  if (!carriesPorts(number) || (low === undefined && high === undefined)) return `meta l4proto ${number}`
  const [from, to] = [low ?? 0, high ?? 65535]
  return `meta l4proto ${number} ${port} ${from === to ? from : `${from}-${to}`}`
}

function icmpMatch(name: 'icmp' | 'icmpv6', rule: WantedRule): string {
  const protocol = `meta l4proto ${name === 'icmp' ? 1 : 58}`
  const type = rule.portMin === undefined ? '' : ` ${name} type ${rule.portMin}`
  const code = rule.portMax === undefined ? '' : ` ${name} code ${rule.portMax}`
  return `${protocol}${type}${code}`
}

/** The types that have an answer, and it. */
const icmpAnswers: Record<'icmp' | 'icmpv6', Readonly<Record<number, number>>> = {
  icmp: { 8: 0, 13: 14, 15: 16, 17: 18 },
  icmpv6: { 128: 129, 139: 140 },
}

function icmpAnswerMatch(name: 'icmp' | 'icmpv6', { portMin }: WantedRule): string | undefined {
  const protocol = `meta l4proto ${name === 'icmp' ? 1 : 58}`
  if (portMin === undefined) return protocol
  const answer = icmpAnswers[name][portMin]
  return answer === undefined ? undefined : `${protocol} ${name} type ${answer}`
}

/** An address is the prefix of its full length. */
export function asPrefix(text: string): Prefix | undefined {
  const address = parseAddress(text)
  return parsePrefix(address ? `${text}/${address.version === 4 ? 32 : 128}` : text)
}

const isWhole = (block: Prefix): boolean => block.length === (block.version === 4 ? 32 : 128)
const bare = (block: Prefix): string => formatPrefix(block).split('/')[0] ?? ''
const textOf = (block: Prefix): string => (isWhole(block) ? bare(block) : formatPrefix(block))

/** Interval sets refuse overlaps: a prefix inside another says nothing new. */
export function outermost(blocks: Prefix[]): Prefix[] {
  const sorted = blocks.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : a.length - b.length))
  const kept: Prefix[] = []
  for (const block of sorted) {
    const last = kept.at(-1)
    if (!last || !containsPrefix(last, block)) kept.push(block)
  }
  return kept
}
