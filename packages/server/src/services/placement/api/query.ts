/** Placement's own little languages in query strings: amounts, traits, aggregates, and their suffixed groups. */
import { isWithin } from '#platform/api-kit/versions.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { isUuid } from '#platform/ids/ids.ts'
import type { RequestGroup } from '../manager/candidates.ts'
import type { AggregateFilter, TraitFilter } from '../manager/providers.ts'

export type Values = string | string[] | undefined
export const listOf = (values: Values): string[] => (values === undefined ? [] : [values].flat())

const bad = (message: string) => badRequest(message, { code: 'placement.query.bad_value' })
const since = (version: string, first: string): boolean => isWithin(version, { since: first })

/** `VCPU:2,MEMORY_MB:1024`. */
export function parseResources(text: string): Record<string, number> {
  const pairs = text.split(',').map((part) => /^([A-Z0-9_]+):(\d+)$/.exec(part.trim()))
  const wrong = pairs.findIndex((pair) => pair === null || Number(pair[2]) < 1)
  if (wrong >= 0) {
    throw bad(
      'Badly formed resources parameter. Expected resources query string parameter in form: ' +
        `?resources=VCPU:2,MEMORY_MB:1024. Got: ${text}.`,
    )
  }
  return Object.fromEntries(pairs.map((pair) => [pair![1]!, Number(pair![2])]))
}

/** `A,!B`; since 1.39 repeated, and `in:A,B` for one of several. */
export function parseTraits(values: Values, version: string, name = 'required'): TraitFilter {
  const filter: TraitFilter = { required: [], forbidden: [] }
  for (const value of listOf(values)) {
    if (value.startsWith('in:') && since(version, '1.39')) {
      filter.required.push(traitsOf(value.slice(3), { name, forbid: false }).required.flat())
      continue
    }
    const { required, forbidden } = traitsOf(value, { name, forbid: since(version, '1.22') })
    filter.required.push(...required)
    filter.forbidden.push(...forbidden)
  }
  const both = filter.required.find((any) => any.every((trait) => filter.forbidden.includes(trait)))
  if (both)
    throw bad(
      `Conflicting required and forbidden traits found in the following traits keys: ${name}: (${both.join(', ')})`,
    )
  return filter
}

function traitsOf(text: string, { name, forbid }: { name: string; forbid: boolean }): TraitFilter {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.some((part) => !(forbid ? /^!?[A-Z0-9_]+$/ : /^[A-Z0-9_]+$/).test(part))) {
    throw bad(
      `Invalid query string parameters: Expected '${name}' parameter value of the form: ` +
        `${forbid ? 'HW_CPU_X86_VMX,!CUSTOM_MAGIC' : 'HW_CPU_X86_VMX,CUSTOM_MAGIC'}. Got: ${text}`,
    )
  }
  return {
    required: parts.filter((part) => !part.startsWith('!')).map((part) => [part]),
    forbidden: parts.filter((part) => part.startsWith('!')).map((part) => part.slice(1)),
  }
}

/** `uuid`, `in:uuid,uuid`; since 1.32 with `!` before either. */
export function parseMemberOf(values: Values, version: string): AggregateFilter {
  const filter: AggregateFilter = { memberOf: [], forbidden: [] }
  for (const value of listOf(values)) {
    const isForbidden = value.startsWith('!')
    if (isForbidden && !since(version, '1.32'))
      throw bad(`Forbidden member_of parameters are not supported in the specified microversion; got: ${value}.`)
    const text = isForbidden ? value.slice(1) : value
    const ids = (text.startsWith('in:') ? text.slice(3) : text).split(',')
    if (!text.startsWith('in:') && ids.length > 1)
      throw bad(`Multiple values for 'member_of' must be prefixed with the 'in:' keyword. Got: ${value}`)
    if (!ids.every(isUuid)) throw bad(`Expected 'member_of' parameter to contain valid UUID(s). Got: ${value}`)
    if (isForbidden) filter.forbidden.push(...ids)
    else filter.memberOf.push(ids)
  }
  return filter
}

const groupKey = /^(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{0,64})$/
const numberedKey = /^(resources|required|member_of|in_tree)((?:[1-9][0-9]*)?)$/
const firstVersions: Readonly<Record<string, string>> = {
  resources: '1.10',
  required: '1.17',
  member_of: '1.21',
  in_tree: '1.31',
}

/** Suffixed groups exist since 1.25, with words as suffixes since 1.33. Undefined: not a key of a group. */
export function groupOf(key: string, version: string): { what: string; suffix: string } | undefined {
  const match = (since(version, '1.33') ? groupKey : numberedKey).exec(key)
  if (match === null || !since(version, firstVersions[match[1]!]!)) return undefined
  return match[2] === '' || since(version, '1.25') ? { what: match[1]!, suffix: match[2]! } : undefined
}

export function parseGroups(query: Record<string, Values>, version: string): RequestGroup[] {
  const groups = new Map<string, RequestGroup>()
  for (const [key, values] of Object.entries(query)) {
    const found = groupOf(key, version)
    if (found === undefined) continue
    const { what, suffix } = found
    const group = groups.get(suffix) ?? {
      suffix,
      resources: {},
      traits: { required: [], forbidden: [] },
      aggregates: { memberOf: [], forbidden: [] },
    }
    groups.set(suffix, group)
    if (what === 'resources') group.resources = parseResources(listOf(values)[0] ?? '')
    if (what === 'required') group.traits = parseTraits(values, version, key)
    if (what === 'member_of') group.aggregates = parseMemberOf(values, version)
    if (what === 'in_tree') group.inTree = parseTreeId(listOf(values)[0] ?? '')
  }
  return [...groups.values()]
}

export function parseTreeId(text: string): string {
  if (isUuid(text)) return text
  throw bad(`Expected 'in_tree' parameter to be a format of uuid. Got: ${text}.`)
}
