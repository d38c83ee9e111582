/** Which rows of the quota tree a person wants to see, when nobody says it. */
import type { TreeRow } from './quota-tables.ts'
import type { Step } from './quota-words.ts'

export interface Wanted {
  /** Only these. */
  resource?: string[]
  /** Everything, also what nobody owns or uses. */
  all?: boolean
}
export interface Chosen {
  /** Resource by resource; of each, the parents first. */
  rows: TreeRow[]
  /** How many resources are not among them because nothing happens with them. */
  resting: number
}

/** Nobody uses, owns or lends any of it. */
export const isIdle = (row: TreeRow): boolean =>
  row.subtree === 0 && row.inUse === 0 && row.reserved === 0 && row.owned === 0 && row.pool === 0 && row.borrow === 0

/** Used, or dealt out: what a project has by default alone tells nothing. */
const isInPlay = (row: TreeRow): boolean =>
  row.subtree > 0 || row.inUse > 0 || row.reserved > 0 || row.allocated > 0 || row.pool > 0 || row.lend > 0

/** Where nothing is in play, whatever somebody owns is shown. */
export function choose(rows: readonly TreeRow[], { resource, all }: Wanted): Chosen {
  const byResource = Map.groupBy(rows, (row) => row.resource)
  const named = [...byResource.keys()].sort()
  const shown = (names: string[]): TreeRow[] => names.flatMap((name) => byResource.get(name)!)
  if (all) return { rows: shown(named), resting: 0 }
  if (resource) return { rows: shown(named.filter((name) => resource.includes(name))), resting: 0 }
  const inPlay = named.filter((name) => byResource.get(name)!.some(isInPlay))
  const chosen = inPlay.length > 0 ? inPlay : named
  return { rows: shown(chosen).filter((row) => !isIdle(row)), resting: named.length - chosen.length }
}

/** What the steps are about; nothing when one only names somebody who goes. */
export function resourcesOf(steps: readonly Step[]): string[] | undefined {
  const named = steps.map((step) => {
    if ('claim' in step) return Object.keys(step.claim.amounts)
    return 'set' in step ? [step.set.resource] : undefined
  })
  return named.includes(undefined) ? undefined : [...new Set(named.flatMap((names) => names ?? []))]
}

export const restingLines = ({ resting }: Chosen): string[] =>
  resting === 0 ? [] : [`(${resting} more, of which nothing is used or dealt out: see them with --all, or -r NAME.)`]
