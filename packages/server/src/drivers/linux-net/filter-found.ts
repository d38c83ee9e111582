/** Reads `nft -j list ruleset`: what a namespace's filter is now, in the form that the plan compares. Pure. */
import { canonicalAddress } from '#engines/cidr/address.ts'
import { emptyFound, put, type Family, type FoundFilter } from './filter-model.ts'

/** Every rule that we write last in a chain carries this comment and the chain's print. */
export const printMark = 'print:'

/** @param listing the parsed JSON; @param table only this table is looked at. */
export function foundFilter(listing: unknown, table: string): FoundFilter {
  const found = emptyFound()
  for (const item of (listing as { nftables?: Item[] }).nftables ?? []) readItem(found, item, table)
  return found
}

interface Named {
  family: string
  name: string
  table: string
}
interface Item {
  table?: { family: string; name: string }
  chain?: Named
  rule?: { family: string; table: string; chain: string; comment?: string }
  set?: Named & { elem?: unknown[] }
  map?: Named & { elem?: unknown[] }
}

function readItem(found: FoundFilter, item: Item, table: string): void {
  if (item.table?.name === table) found.tables.add(item.table.family as Family)
  if (item.chain?.table === table) chainOf(found, `${item.chain.family}/${item.chain.name}`)
  if (item.rule?.table === table) readRule(found, item.rule)
  if (item.set?.table === table) readElements(found, item.set, false)
  if (item.map?.table === table) readElements(found, item.map, true)
}

/** Only the last rule's comment counts: a rule that a stranger appends makes the print stale. */
function readRule(found: FoundFilter, rule: NonNullable<Item['rule']>): void {
  const chain = chainOf(found, `${rule.family}/${rule.chain}`)
  chain.rules++
  chain.print = rule.comment?.startsWith(printMark) ? rule.comment.slice(printMark.length) : ''
}

function readElements(found: FoundFilter, set: Named & { elem?: unknown[] }, isMap: boolean): void {
  const elements = new Map<string, Set<string>>()
  for (const element of set.elem ?? []) put(elements, elementText(element, isMap))
  found.sets.set(`${set.family}/${set.name}`, elements)
}

function chainOf(found: FoundFilter, key: string): { rules: number; print: string } {
  const known = found.chains.get(key)
  if (known) return known
  const fresh = { rules: 0, print: '' }
  found.chains.set(key, fresh)
  return fresh
}

/** An element in the words in which we wrote it. */
function elementText(element: unknown, isMap: boolean): string {
  if (!isMap) return keyText(element)
  const [key, value] = element as [unknown, unknown]
  return `${keyText(key)} : ${(value as { jump?: unknown }).jump === undefined ? keyText(value) : verdictText(value)}`
}

function keyText(key: unknown): string {
  if (typeof key === 'number') return markText(key)
  if (typeof key === 'string') return canonicalAddress(key) ?? (isDevice(key) ? `"${key}"` : key)
  const { elem, concat, prefix } = key as {
    elem?: { val: unknown }
    concat?: unknown[]
    prefix?: { addr: string; len: number }
  }
  if (elem) return keyText(elem.val)
  if (concat) return concat.map(keyText).join(' . ')
  return prefix ? `${canonicalAddress(prefix.addr) ?? prefix.addr}/${prefix.len}` : JSON.stringify(key)
}

const isDevice = (text: string): boolean => text.startsWith('qtp')
const markText = (mark: number): string => `0x${mark.toString(16).padStart(8, '0')}`
const verdictText = (verdict: unknown): string =>
  `jump ${(verdict as { jump?: { target: string } }).jump?.target ?? '?'}`
