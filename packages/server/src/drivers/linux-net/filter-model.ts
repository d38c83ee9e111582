/** A packet filter as data: chains of rules and sets of elements, keyed so that two of them can be compared. */
import { digest } from './names.ts'

export type Family = 'bridge' | 'inet'

/** `hook` is the text of a base chain's declaration; without it the chain is only jumped to. */
export interface Chain {
  family: Family
  name: string
  hook?: string
  rules: string[]
}

/** Elements are grouped by owner (a device, an address): one owner's are replaced without a look at the rest. */
export interface ElementSet {
  family: Family
  kind: 'set' | 'map'
  name: string
  /** `type ifname : mark`, with flags after a semicolon. */
  spec: string
  elements: Map<string, Set<string>>
  /** The elements are not known here: what is there stays. */
  unknown?: boolean
}

/** What should be. Keys are `family/name`. */
export interface Filter {
  chains: Map<string, Chain>
  sets: Map<string, ElementSet>
}

/** What is: of a chain only the print of its text and the number of its rules are needed. */
export interface FoundFilter {
  tables: Set<Family>
  chains: Map<string, { rules: number; print: string }>
  sets: Map<string, Map<string, Set<string>>>
}

export const emptyFilter = (): Filter => ({ chains: new Map(), sets: new Map() })
export const emptyFound = (): FoundFilter => ({ tables: new Set(), chains: new Map(), sets: new Map() })

export const keyOf = (item: { family: Family; name: string }): string => `${item.family}/${item.name}`
export const familyOf = (key: string): Family => (key.startsWith('bridge/') ? 'bridge' : 'inet')
export const nameOf = (key: string): string => key.slice(key.indexOf('/') + 1)

export function addChain(filter: Filter, chain: Chain): void {
  filter.chains.set(keyOf(chain), chain)
}

export function addSet(filter: Filter, set: Omit<ElementSet, 'elements'>): void {
  if (!filter.sets.has(keyOf(set))) filter.sets.set(keyOf(set), { ...set, elements: new Map() })
}

/** @param owner the first part of the element, as `ownerOf` finds it again. */
export function addElement(filter: Filter, key: string, element: string): void {
  const elements = filter.sets.get(key)?.elements
  if (!elements) throw new Error(`set ${key} is not declared`)
  put(elements, element)
}

/** Files an element under its owner. */
export function put(elements: Map<string, Set<string>>, element: string): void {
  const owner = ownerOf(element)
  const mine = elements.get(owner)
  if (mine) mine.add(element)
  else elements.set(owner, new Set([element]))
}

/** `"qtp1" . fa:… . 10.0.0.5` and `"qtp1" : 0x5` belong to `"qtp1"`. */
export const ownerOf = (element: string): string => element.split(/ [.:] /, 1)[0] ?? element

export const without = (have: ReadonlySet<string>, gone: ReadonlySet<string>): string[] =>
  [...have].filter((item) => !gone.has(item))

/** The print of a chain: of everything that we wrote in it. */
export const printOf = (chain: Chain): string => digest([chain.hook ?? '', ...chain.rules].join('\n'))
