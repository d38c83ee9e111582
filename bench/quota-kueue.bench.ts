/** QB5, QB6: Kueue's own scheduling performance workloads, played by their generators' numbers. */
import type { Bench, BenchContext, Figure, Goal } from './bench.ts'
import { figure } from './bench.ts'
import { ClaimJournal } from './quota/claim-journal.ts'
import { baseline, largeScale, lowerBoundS, type TwinConfig } from './quota/kueue-config.ts'
import { playTwin, type TwinResult } from './quota/kueue-twin.ts'

const name = 'quota-kueue'

/**
 * What is compared. Kueue's figure is the wall clock of its runner: real waiting for arrivals and run times, its
 * scheduler, and a real API server without nodes. Ours has the same arrivals and run times on a simulated clock, to
 * which the real time of every scheduling pass is added; once in memory, once with a synced commit of each pass. It has
 * no API server, so the ratio is of two ways to run the same workload, not of two schedulers' speed: Kueue publishes no
 * figure of its scheduler's own time.
 */
const about =
  'Kueue’s CI workloads on the quota engine: simulated clock plus own real time, beside Kueue’s wall clock'

interface Target {
  config: TwinConfig
  /** At most so long, in memory and with the journal. */
  makespanSMax: number
}

const targets: Target[] = [
  { config: baseline, makespanSMax: 120 },
  { config: largeScale, makespanSMax: 60 },
]

const seconds = (value: number): string => `${value.toFixed(1)} s`.padStart(9)
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

const describe = (
  title: string,
  { makespanS, workS, use, evictions, decisions, admittedAfterS }: TwinResult,
): string => {
  const { small, medium, large } = admittedAfterS
  return (
    `  ${title.padEnd(34)} ${seconds(makespanS)}  use ${percent(use)}  admitted after ` +
    `${seconds(small)} ${seconds(medium)} ${seconds(large)}  ` +
    `${evictions} evictions, ${decisions} decisions in ${workS.toFixed(2)} s of work`
  )
}

const play = ({ config, makespanSMax }: Target, say: BenchContext['say']): Figure[] => {
  const { wallS, use, admittedAfterS } = config.published,
    boundS = lowerBoundS(config)
  const { small, medium, large } = admittedAfterS
  say(`${config.title}; nobody can end before ${boundS.toFixed(1)} s`)
  say(
    `  ${'Kueue, published'.padEnd(34)} ${seconds(wallS)}  use ${percent(use)}  admitted after ` +
      `${seconds(small)} ${seconds(medium)} ${seconds(large)}  (small, medium, large)`,
  )
  const ideal = playTwin(config, { chargesOwnTime: false })
  say(describe('decisions that take no time', ideal))
  const inMemory = playTwin(config, { chargesOwnTime: true })
  say(describe('own time counted', inMemory))
  const durable = playDurably(config)
  say(describe(`the same, journal on disk`, durable))
  const goal = (of: Goal['of'], limit: number): Goal => ({ of, is: 'at most', limit })
  const of = { bench: name, unit: 's' }
  const short = config === baseline ? '15,000' : '50,000'
  return [
    figure({
      ...of,
      metric: `${short}, no time for decisions, to the bound`,
      value: ideal.makespanS,
      baseline: boundS,
      goal: goal('ratio', 1.2),
    }),
    figure({
      ...of,
      metric: `${short}, in memory, to Kueue’s wall`,
      value: inMemory.makespanS,
      baseline: wallS,
      goal: goal('value', makespanSMax),
    }),
    figure({
      ...of,
      metric: `${short}, journal on disk, to Kueue’s wall`,
      value: durable.makespanS,
      baseline: wallS,
      goal: goal('value', makespanSMax),
    }),
    figure({
      ...of,
      metric: `${short}, own work in all`,
      value: inMemory.workS,
      goal: goal('value', 10),
    }),
  ]
}

const playDurably = (config: TwinConfig): TwinResult => {
  const journal = new ClaimJournal()
  try {
    const result = playTwin(config, { chargesOwnTime: true, journal })
    if (journal.open > 0) throw new Error(`${journal.open} claims were never ended in the journal.`)
    return result
  } finally {
    journal.close()
  }
}

const run = ({ say, signal }: BenchContext): Promise<Figure[]> =>
  Promise.resolve(
    targets.flatMap((target) => {
      signal.throwIfAborted()
      return play(target, say)
    }),
  )

export const bench: Bench = { name, about, run }
