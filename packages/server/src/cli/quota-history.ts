/** Quota's past and its line of waiting requests as tables: when, what, who, how much, and why. */
import { durationText } from './quota-policy.ts'
import { fitted, tableOf, type NameOf } from './quota-tables.ts'

export interface HappeningRow {
  id: number
  at: string
  kind: string
  project_id: string
  subject: string | null
  amounts: Record<string, number>
  actor: string | null
  times: number
  details: Record<string, unknown>
}

const amountsText = (amounts: Record<string, number>): string =>
  Object.entries(amounts)
    .map(([name, amount]) => `${name}=${amount}`)
    .join(' ')

/** `{ own: [8, 16] }` of each resource: `cores own 8→16`. */
const changesText = (details: Record<string, unknown>): string =>
  Object.entries(details)
    .flatMap(([resource, fields]) =>
      Object.entries(fields as Record<string, [unknown, unknown]>).map(
        ([field, [before, after]]) => `${resource} ${field} ${before ?? 'none'}→${after ?? 'none'}`,
      ),
    )
    .join(', ')

/** A field that is null is inherited again; `{ cores: 'wait' }`: `cores:wait`. */
const valueText = (value: unknown): string => {
  if (value === null) return 'inherit'
  if (typeof value !== 'object' || Array.isArray(value)) return String(value)
  return Object.entries(value).map((pair) => pair.join(':')).join(',')
}

const whys: Record<string, (row: HappeningRow, nameOf: NameOf) => string> = {
  settings: ({ details }) => changesText(details),
  policy: ({ details }) =>
    Object.entries(details)
      .map(([field, value]) => `${field}=${valueText(value)}`)
      .join(' '),
  refused: ({ details, times }, nameOf) =>
    `${details.reason} of ${details.resource} at ${nameOf(String(details.node))}${times > 1 ? `, ${times} times` : ''}`,
  recalled: ({ details }, nameOf) =>
    details.right === 'shrink'
      ? `${nameOf(String(details.for))} uses more than it may`
      : `for ${nameOf(String(details.for))}, by ${details.right}'s right`,
  repaired: ({ details }) =>
    details.owner
      ? `${details.owner} holds ${amountsText((details.held ?? {}) as Record<string, number>) || 'nothing'}`
      : '',
  inherited: ({ details }, nameOf) => `${nameOf(String(details.of))} is gone, and this still runs`,
  moved: ({ details }, nameOf) => `to ${details.to === null ? 'the top' : nameOf(String(details.to))}`,
  released: ({ details }) =>
    typeof details.recalledForMs === 'number' ? `${durationText(details.recalledForMs)} after its notice` : '',
}

const whyOf = (row: HappeningRow, nameOf: NameOf): string => whys[row.kind]?.(row, nameOf) ?? ''

export const historyLines = (rows: readonly HappeningRow[], nameOf: NameOf, width: number): string[] =>
  rows.length === 0
    ? ['Nothing of that happened, as far as is remembered.']
    : fitted(
        ['AT', 'WHAT', 'PROJECT', 'AMOUNTS', 'SUBJECT', 'WHY', 'BY'],
        rows.map((row) => [
          ...[row.at, row.kind, nameOf(row.project_id), amountsText(row.amounts)],
          ...[row.subject ?? '', whyOf(row, nameOf), row.actor ?? ''],
        ]),
        { width, least: ['BY', 'SUBJECT'] },
      )

export interface WaitingRow {
  position: number
  project_id: string
  subject: string
  amounts: Record<string, number>
  /** What is kept for it already. */
  gathered: Record<string, number>
  since: string
  expires_at: string | null
}

export const waitingLines = (rows: readonly WaitingRow[], nameOf: NameOf): string[] =>
  rows.length === 0
    ? ['Nobody stands in line.']
    : tableOf(
        ['PLACE', 'PROJECT', 'ASKS', 'KEPT FOR IT', 'SINCE', 'UNTIL', 'SUBJECT'],
        rows.map((row) => [
          ...[row.position, nameOf(row.project_id), amountsText(row.amounts), amountsText(row.gathered)],
          ...[row.since, row.expires_at ?? 'served', row.subject],
        ]),
      )
