/** From the filter that is to the filter that should be: the lines of one atomic `nft -f`. Pure. */
import {
  familyOf,
  nameOf,
  printOf,
  without,
  type Chain,
  type ElementSet,
  type Family,
  type Filter,
  type FoundFilter,
} from './filter-model.ts'
import { printMark } from './filter-found.ts'

/** The whole filter: what is missing is added, what differs replaced, what is not wanted removed. */
export function planFilter(found: FoundFilter, wanted: Filter, table: string): string[] {
  if (wanted.chains.size === 0) return [...found.tables].map((family) => `delete table ${family} ${table}`)
  if (isBroken(found, wanted)) return rebuild(wanted, table)
  return [
    ...additions(found, wanted, table),
    ...[...wanted.sets].flatMap(([key, set]) => elementChanges(found.sets.get(key), set, table, true)),
    ...removals(found, wanted, table),
  ]
}

/** One port's part: nothing of anybody else is touched, and the work does not grow with their number. */
export function planAddition(found: FoundFilter, part: Filter, table: string): string[] {
  return [
    ...additions(found, part, table),
    ...[...part.sets].flatMap(([key, set]) => elementChanges(found.sets.get(key), set, table, isWhole(set))),
  ]
}

/** Takes a device's elements out of every set: what unplug leaves to do. */
export function planRemoval(found: FoundFilter, owner: string, table: string): string[] {
  return [...found.sets].flatMap(([key, elements]) =>
    elementLines('delete', key, [...(elements.get(owner) ?? [])], table),
  )
}

/** Applies a plan's effect to what is known, so that the next port need not look again. */
export function merge(found: FoundFilter, part: Filter): void {
  for (const family of familiesOf(part)) found.tables.add(family)
  for (const [key, chain] of part.chains) found.chains.set(key, { rules: linesOf(chain).length, print: printOf(chain) })
  for (const [key, set] of part.sets) {
    const known = found.sets.get(key) ?? new Map<string, Set<string>>()
    if (isWhole(set)) known.clear()
    for (const [owner, elements] of set.elements) known.set(owner, new Set(elements))
    found.sets.set(key, known)
  }
}

/** Forgets a device's elements. */
export function forget(found: FoundFilter, owner: string): void {
  for (const elements of found.sets.values()) elements.delete(owner)
}

const familiesOf = (filter: Filter): Family[] => [...new Set([...filter.chains.values()].map((chain) => chain.family))]

/** A group's members are given whole with each port, so what is not given has left. */
const isWhole = (set: ElementSet): boolean => set.name.startsWith('members') && !set.unknown

/** A lost table, set or hook chain: the rest cannot be trusted either, and one rebuild is atomic anyway. */
export function isBroken(found: FoundFilter, wanted: Filter): boolean {
  if (familiesOf(wanted).some((family) => !found.tables.has(family))) return true
  const hooks = [...wanted.chains].filter(([, chain]) => chain.hook !== undefined)
  return hooks.some(([key, chain]) => !isSame(found.chains.get(key), chain))
}

const isSame = (found: { rules: number; print: string } | undefined, chain: Chain): boolean =>
  found?.print === printOf(chain) && found.rules === linesOf(chain).length

function rebuild(wanted: Filter, table: string): string[] {
  return [
    ...familiesOf(wanted).flatMap((family) => [
      `add table ${family} ${table}`,
      `delete table ${family} ${table}`,
      `add table ${family} ${table}`,
    ]),
    ...[...wanted.sets.values()].map((set) => declareSet(set, table)),
    ...[...wanted.chains.values()].map((chain) => declareChain(chain, table)),
    ...[...wanted.chains.values()].flatMap((chain) => fillChain(chain, table)),
    ...[...wanted.sets].flatMap(([, set]) => elementChanges(undefined, set, table, true)),
  ]
}

function additions(found: FoundFilter, wanted: Filter, table: string): string[] {
  const chains = [...wanted.chains]
    .filter(([key, chain]) => !isSame(found.chains.get(key), chain))
    .map(([, chain]) => chain)
  return [
    ...[...wanted.sets].filter(([key]) => !found.sets.has(key)).map(([, set]) => declareSet(set, table)),
    ...chains.map((chain) => declareChain(chain, table)),
    ...chains.flatMap((chain) => [`flush chain ${chain.family} ${table} ${chain.name}`, ...fillChain(chain, table)]),
  ]
}

function removals(found: FoundFilter, wanted: Filter, table: string): string[] {
  const chains = [...found.chains.keys()].filter((key) => !wanted.chains.has(key))
  const unwantedSets = [...found.sets.keys()].filter((key) => !wanted.sets.has(key))
  return [
    ...chains.map((key) => `flush chain ${familyOf(key)} ${table} ${nameOf(key)}`),
    ...chains.map((key) => `delete chain ${familyOf(key)} ${table} ${nameOf(key)}`),
    ...unwantedSets.map((key) => `delete set ${familyOf(key)} ${table} ${nameOf(key)}`),
  ]
}

/** @param whole owners that are not wanted lose their elements. */
function elementChanges(
  found: Map<string, Set<string>> | undefined,
  set: ElementSet,
  table: string,
  whole: boolean,
): string[] {
  const key = `${set.family}/${set.name}`
  const have = found ?? new Map<string, Set<string>>()
  const owners = whole ? new Set([...have.keys(), ...set.elements.keys()]) : new Set(set.elements.keys())
  const gone: string[] = []
  const fresh: string[] = []
  for (const owner of owners) {
    const [is, should] = [have.get(owner) ?? new Set<string>(), set.elements.get(owner) ?? new Set<string>()]
    gone.push(...without(is, should))
    fresh.push(...without(should, is))
  }
  return [...elementLines('delete', key, gone, table), ...elementLines('add', key, fresh, table)]
}

const elementsPerLine = 200

function elementLines(verb: 'add' | 'delete', key: string, elements: string[], table: string): string[] {
  const lines: string[] = []
  for (let start = 0; start < elements.length; start += elementsPerLine) {
    const some = elements.slice(start, start + elementsPerLine).join(', ')
    lines.push(`${verb} element ${familyOf(key)} ${table} ${nameOf(key)} { ${some} }`)
  }
  return lines
}

const declareSet = (set: ElementSet, table: string): string =>
  `add ${set.kind} ${set.family} ${table} ${set.name} { ${set.spec}; }`

const declareChain = (chain: Chain, table: string): string =>
  `add chain ${chain.family} ${table} ${chain.name}${chain.hook ? ` { ${chain.hook} }` : ''}`

/** The last rule carries the print, so that a chain that somebody cut short or added to is seen. */
const linesOf = (chain: Chain): string[] => [...chain.rules, `continue comment "${printMark}${printOf(chain)}"`]

const fillChain = (chain: Chain, table: string): string[] =>
  linesOf(chain).map((rule) => `add rule ${chain.family} ${table} ${chain.name} ${rule}`)
