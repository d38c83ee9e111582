/** Quota's answers as tables that a person can read. */
import { isoSeconds } from '#platform/clock/clock.ts'

/** How a project's own containers take part beside its children. */
export interface SelfTerms {
  lend: number
  borrow: number
  ceiling: number | null
  weight: number
  tier: number
}

export interface TreeRow {
  project: string
  depth: number
  resource: string
  limit: number
  inUse: number
  reserved: number
  allocated: number
  free: number
  owned: number
  pool: number
  lend: number
  borrow: number
  ceiling: number | null
  lent: number
  borrowed: number
  available: number
  weight: number
  tier: number
  /** Null: the project has no children. */
  self: SelfTerms | null
  deserved: number
  subtree: number
}

export interface LoanRow {
  resource: string
  lender: string
  fromPool: boolean
  borrower: string
  amount: number
  /** `lent`, `called back`, or `overdue`. */
  state: string
  /** Milliseconds since the epoch: when the oldest that lives on it started. */
  sinceMs: number | null
  calledBack: number
}

export interface Refusal {
  code: string
  node: string
  resource: string
  asked: number
  limit: number
  used: number
  reserved: number
  missing: number
  /** Who uses more than its own there, and how much more. */
  heldBy: { project: string; amount: number }[]
  remedy: string
}

export interface Victim {
  claim: string
  project: string
  right: string
  /** The rules by which it was the first. */
  order: string[]
}

export interface ExplanationAnswer {
  verdict: 'fits' | 'reclaims' | 'waits' | 'refused'
  victims: Victim[]
  refusal: Refusal | null
  levels: {
    project: string
    resource: string
    ceiling: number
    visible: number
    used: number
    borrow: number
    blocked: string | null
  }[]
  available: Record<string, number>
  /** With what is asked for. */
  deserved: Record<string, number>
  using: Record<string, number>
  notes?: string[]
}

export type Played =
  | { state: 'reserved' | 'committed' | 'done' | 'waiting' }
  | { state: 'reclaiming'; notices: Victim[] }
  | { state: 'refused'; refusal: Refusal }

/** A project's id → the name that people know it by. */
export type NameOf = (projectId: string) => string

type Cell = string | number

const textOf = (cell: Cell): string => (cell === -1 ? 'unlimited' : String(cell))

/** Columns as wide as their widest cell; numbers to the right. */
export const tableOf = (header: readonly string[], rows: readonly (readonly Cell[])[]): string[] => {
  const texts = rows.map((row) => row.map(textOf))
  const widths = header.map((title, column) => Math.max(title.length, ...texts.map((row) => row[column]!.length)))
  const isNumber = header.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, column) => (isNumber[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd()
  return [line(header), ...texts.map(line)]
}

/**
 * A table no wider than `width` characters, if it can be: columns are left out, the first of `least` first, and the
 * last line says which. 0: as wide as it is.
 */
export const fitted = (
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  { width, least }: { width: number; least: readonly string[] },
): string[] => {
  const left: string[] = []
  for (;;) {
    const kept = header.map((title, column) => ({ title, column })).filter(({ title }) => !left.includes(title))
    const lines = tableOf(
      kept.map(({ title }) => title),
      rows.map((row) => kept.map(({ column }) => row[column]!)),
    )
    const next = least[left.length]
    if (width > 0 && next !== undefined && lines.some((line) => line.length > width)) left.push(next)
    else return left.length === 0 ? lines : [...lines, leftOutText(left)]
  }
}

const leftOutText = (titles: readonly string[]): string =>
  `(Too narrow for ${titles.join(', ')}: widen the terminal, or see all with -f json.)`

const treeHeader = [
  'PROJECT',
  'RESOURCE',
  'OWN',
  'POOL',
  'LEND',
  'BORROW',
  'CEILING',
  'WEIGHT',
  'TIER',
  'LIMIT',
  'IN USE',
  'RESERVED',
  'GRANTED',
  'FREE',
  'LENT',
  'BORROWED',
  'DESERVED',
  'AVAILABLE',
]

/** What a narrow terminal can do without, the least important first. */
const treeLeast = [
  ...['TIER', 'CEILING', 'WEIGHT', 'DESERVED', 'RESERVED', 'FREE', 'LEND', 'BORROW', 'POOL', 'GRANTED', 'LIMIT'],
  ...['LENT', 'BORROWED'],
]

/** −1 is a debt of one where there is a limit. */
const freeOf = ({ free, owned }: TreeRow): Cell => (free === -1 && owned !== -1 ? '-1' : free)

const treeCells = (row: TreeRow, nameOf: NameOf): Cell[] => [
  `${'  '.repeat(row.depth)}${nameOf(row.project)}`,
  row.resource,
  row.owned,
  row.pool,
  row.lend,
  row.borrow,
  row.ceiling ?? 'none',
  row.weight,
  row.tier,
  row.limit,
  row.inUse,
  row.reserved,
  row.allocated,
  freeOf(row),
  row.lent,
  row.borrowed,
  row.deserved,
  row.available,
]

const noCells = treeHeader.map(() => '')

/** An empty line wherever another resource begins. */
export const treeLines = (rows: readonly TreeRow[], nameOf: NameOf, width = 0): string[] =>
  fitted(
    treeHeader,
    rows.flatMap((row, at) => {
      const isNext = at > 0 && rows[at - 1]!.resource !== row.resource
      return isNext ? [noCells, treeCells(row, nameOf)] : [treeCells(row, nameOf)]
    }),
    { width, least: treeLeast },
  )

export const selfLines = ({ project, resource, self }: TreeRow, nameOf: NameOf): string[] =>
  self === null
    ? [`${nameOf(project)} has no children yet: it is kept until there are some.`]
    : tableOf(
        ['OWN CONTAINERS OF', 'RESOURCE', 'LEND', 'BORROW', 'CEILING', 'WEIGHT', 'TIER'],
        [[nameOf(project), resource, self.lend, self.borrow, self.ceiling ?? 'none', self.weight, self.tier]],
      )

export const loanLines = (loans: readonly LoanRow[], nameOf: NameOf): string[] =>
  loans.length === 0
    ? ['Nobody lends anything to anybody now.']
    : tableOf(
        ['LENDER', 'BORROWER', 'RESOURCE', 'AMOUNT', 'FROM', 'STATE', 'CALLED BACK', 'SINCE'],
        loans.map((loan) => [
          nameOf(loan.lender),
          nameOf(loan.borrower),
          loan.resource,
          loan.amount,
          loan.fromPool ? 'its pool' : 'its own part',
          loan.state,
          loan.calledBack,
          loan.sinceMs === null ? '' : isoSeconds(loan.sinceMs),
        ]),
      )

const refusalLines = ({ code, node, resource, remedy, heldBy, ...numbers }: Refusal, nameOf: NameOf): string[] => [
  `  ${code} of ${resource} at ${nameOf(node)}: asked ${numbers.asked}, limit ${textOf(numbers.limit)}, ` +
    `used ${numbers.used}, reserved ${numbers.reserved}, missing ${numbers.missing}`,
  ...heldBy.map(({ project, amount }) => `  ${nameOf(project)} uses ${amount} ${resource} beyond its own`),
  // The API speaks of projects by id, in its sentences too.
  `  ${remedy.replace(/\b[0-9a-f]{32}\b/g, nameOf)}`,
]

const victimLines = (victims: readonly Victim[], nameOf: NameOf): string[] =>
  victims.map(
    ({ claim, project, right, order }) =>
      `  ends ${claim} of ${nameOf(project)} (by ${right}'s right; in the order ${order.join(', ')})`,
  )

const verdicts = {
  fits: 'It fits: it would be granted at once.',
  reclaims: 'It does not fit yet, but these would be given notice:',
  waits: 'It does not fit yet. Who may wait would be first in line for it; others are refused:',
  refused: 'It would be refused:',
}

export const explanationLines = (answer: ExplanationAnswer, nameOf: NameOf): string[] => [
  verdicts[answer.verdict],
  ...victimLines(answer.victims, nameOf),
  ...(answer.refusal ? refusalLines(answer.refusal, nameOf) : []),
  ...(answer.notes ?? []).map((note) => `  ${note}`),
  '',
  ...tableOf(
    ['RESOURCE', 'USING', 'DESERVED', 'AVAILABLE WITHOUT TAKING BACK'],
    Object.entries(answer.available).map(([name, amount]) => [
      ...[name, answer.using[name] ?? 0, answer.deserved[name] ?? 0, amount],
    ]),
  ),
  '',
  ...tableOf(
    ['PROJECT', 'RESOURCE', 'CEILING', 'VISIBLE', 'BORROW', 'USED', 'BLOCKED BY'],
    answer.levels.map((level) => [
      nameOf(level.project),
      level.resource,
      level.ceiling,
      level.visible,
      level.borrow,
      level.used,
      level.blocked ?? '',
    ]),
  ),
]

const playedWords = {
  reserved: 'granted',
  committed: 'granted',
  done: 'done',
  reclaiming: 'granted when these have ended:',
  waiting: 'granted when enough has come back by itself',
  refused: 'refused:',
}

const playedText = (result: Played): string =>
  result.state === 'reclaiming' && result.notices.length === 0
    ? 'granted when others have released it; nobody is told to'
    : playedWords[result.state]

const outcomeLines = (start: string, result: Played, nameOf: NameOf): string[] => [
  `${start}  ${playedText(result)}`,
  ...(result.state === 'reclaiming' ? victimLines(result.notices, nameOf) : []),
  ...(result.state === 'refused' ? refusalLines(result.refusal, nameOf) : []),
]

/** Of a step that was played several times: alike answers in a row are told once, the first for all of them. */
export const playedLines = (step: string, results: readonly Played[], nameOf: NameOf): string[] => {
  if (results.length === 1) return outcomeLines(step, results[0]!, nameOf)
  const runs: Played[][] = []
  for (const result of results) {
    const last = runs.at(-1)
    if (last?.[0] && playedText(last[0]) === playedText(result)) last.push(result)
    else runs.push([result])
  }
  return runs.flatMap((run) => outcomeLines(`${step}  ${run.length} of ${results.length}:`, joined(run), nameOf))
}

const joined = (run: readonly Played[]): Played => {
  const notices = run.flatMap((result) => (result.state === 'reclaiming' ? result.notices : []))
  return notices.length > 0 ? { state: 'reclaiming', notices } : run[0]!
}
