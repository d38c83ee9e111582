/** A simulated week of 200 bursty tenants under four ways to divide capacity: use, waits, evictions; as a plot too. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import { arrivals, play, regimes, stepMinutes, unitMinutes, type Week } from './quota/week.ts'
import { drawWeek } from './quota/week-plot.ts'

const name = 'quota-week'
/** The same numbers every time, and so the same drawing. */
const drawing = join(import.meta.dirname, '../docs/quota-week.svg')

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
const at = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? 0

/** What the table and the drawing say of one week. */
export interface Summary {
  title: string
  usedShare: number
  /** Of what was asked for. */
  doneShare: number
  waitMeanMinutes: number
  entitledP95Minutes: number
  entitledWorstMinutes: number
  evictions: number
  usedAt: readonly number[]
}

const summarise = (title: string, week: Week, offered: number): Summary => ({
  title,
  usedShare: week.used / unitMinutes,
  doneShare: week.done / offered,
  waitMeanMinutes: mean(week.waitAll),
  entitledP95Minutes: at(week.waitOwned, 0.95),
  entitledWorstMinutes: at(week.waitOwned, 1),
  evictions: week.evictions,
  usedAt: week.usedAt,
})

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const table = (summaries: readonly Summary[]): string =>
  [
    '| regime | in use | work done of what was asked | mean wait | own part: wait p95 | longest | evictions |',
    '|---|---|---|---|---|---|---|',
    ...summaries.map(
      (one) =>
        `| ${one.title} | ${percent(one.usedShare)} | ${percent(one.doneShare)} ` +
        `| ${one.waitMeanMinutes.toFixed(0)} min | ${one.entitledP95Minutes} min | ${one.entitledWorstMinutes} min ` +
        `| ${one.evictions.toLocaleString('en')} |`,
    ),
  ].join('\n')

const run = ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const byStep = arrivals(),
    offered = byStep.flat().reduce((sum, job) => sum + job.size * job.minutes, 0)
  say(
    `200 tenants, ${byStep.flat().length.toLocaleString('en')} jobs, ` +
      `offered load ${percent(offered / unitMinutes)} of capacity`,
  )
  const summaries = regimes.map((regime) => {
    signal.throwIfAborted()
    return summarise(regime.title, play(regime, byStep), offered)
  })
  say(table(summaries))
  writeFileSync(drawing, drawWeek(summaries))
  say('Drawn in docs/quota-week.svg')
  const [exclusive, ...others] = summaries
  return Promise.resolve(others.flatMap((one) => figuresOf(one, exclusive!)))
}

const figuresOf = (one: Summary, exclusive: Summary): Figure[] => [
  figure({
    bench: name,
    metric: `capacity in use, ${one.title} to exclusive`,
    unit: 'share',
    value: one.usedShare,
    baseline: exclusive.usedShare,
    goal: { of: 'ratio', is: 'at least', limit: 1.1 },
  }),
  figure({
    bench: name,
    metric: `work done, ${one.title} to exclusive`,
    unit: 'share',
    value: one.doneShare,
    baseline: exclusive.doneShare,
    goal: { of: 'ratio', is: 'at least', limit: 1.1 },
  }),
  figure({
    bench: name,
    metric: `wait for the own part p95, ${one.title}`,
    unit: 'min',
    value: one.entitledP95Minutes,
    goal: { of: 'value', is: 'at most', limit: stepMinutes },
  }),
]

export const bench: Bench = {
  name,
  about: 'A simulated week of 200 bursty tenants under four ways to divide capacity',
  run,
}
