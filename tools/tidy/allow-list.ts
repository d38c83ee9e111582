/** The list of tolerated breaches: it only shrinks, and each entry says why. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Violation } from './violation.ts'

export interface Allowed {
  readonly rule: string
  readonly file: string
  /** Exactly so many; fewer means that the entry must shrink too. */
  readonly count: number
  readonly reason: string
}

export function readAllowList(root: string): Allowed[] {
  return JSON.parse(readFileSync(join(root, 'tools/allow.json'), 'utf8')) as Allowed[]
}

/** What remains to complain about: breaches beyond the list, and entries of the list that are no longer needed. */
export function judge(
  found: readonly Violation[],
  allowed: readonly Allowed[],
  checker: (rule: string) => boolean,
): string[] {
  const groups = Map.groupBy(found, ({ rule, file }) => `${rule} ${file}`)
  const entries = new Map(
    allowed.filter(({ rule }) => checker(rule)).map((entry) => [`${entry.rule} ${entry.file}`, entry]),
  )
  const excess = [...groups].flatMap(([key, group]) =>
    group.length > (entries.get(key)?.count ?? 0) ? group.map(describe) : [],
  )
  const stale = [...entries].filter(([key, { count }]) => (groups.get(key)?.length ?? 0) < count)
  return [
    ...excess,
    ...stale.map(
      ([key, { count }]) =>
        `tools/allow.json: "${key}" allows ${count}, and ${groups.get(key)?.length ?? 0} are left: lower it.`,
    ),
  ]
}

const describe = ({ rule, file, line, message }: Violation): string => `${file}:${line} ${rule}: ${message}`
