/** QB5, QB6: Kueue's own scheduling performance workloads, played by their generators' numbers. */
import type { Bench, BenchContext, Figure, Goal } from './bench.ts'
import { figure } from './bench.ts'
import { ClaimJournal } from './quota/claim-journal.ts'
import { baseline, largeScale, lowerBoundS, type TwinConfig } from './quota/kueue-config.ts'
import { playByClock } from './quota/kueue-clock.ts'
import { playTwin, type TwinResult } from './quota/kueue-twin.ts'
import { emptyDatabase, startQuota, type QuotaProcess } from './quota/quota-process.ts'

const name = 'quota-kueue'

/**
 * What is compared. Kueue's figure is the wall clock of its runner: real waiting for arrivals and run times, its
 * scheduler, and a real API server without nodes.
 *
 * By the real clock ours is the same: a job controller in this process creates, watches, ends and evicts through the
 * HTTP API of a server in another, and every answer is of a committed transaction. What differs: Kueue's store is etcd
 * in the process of its API server, ours SQLite with full sync (or PostgreSQL); Kueue's runner watches, ours asks every
 * 20 ms; an evicted workload of Kueue's keeps its object, ours is given back and asked for anew; whoever was reclaimed
 * here may for a while take back only what its queue owns, which is no rule of Kueue's; the machine is another.
 *
 * By the simulated clock the same arrivals and run times are played on the engine alone, in seconds: the real time of
 * every pass is added, once in memory, once with a synced commit of each pass. It has no API server: that ratio is of
 * two ways to run the same workload.
 */
const about =
  'Kueue’s CI workloads on the engine, simulated clock; by the real clock over HTTP with QUAYSTONE_KUEUE_CLOCK'

/** `baseline` (some two minutes), `large`, or both with a comma; without it only the simulated clock is played. */
const byClock = (): string[] => (process.env.QUAYSTONE_KUEUE_CLOCK ?? '').split(',').filter((word) => word !== '')

interface Target {
  config: TwinConfig
  word: string
  short: string
  /** At most so long, in memory, with the journal, and over HTTP. */
  makespanSMax: number
}

const targets: Target[] = [
  { config: baseline, word: 'baseline', short: '15,000', makespanSMax: 120 },
  { config: largeScale, word: 'large', short: '50,000', makespanSMax: 60 },
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

const sayPublished = ({ title, published }: TwinConfig, boundS: number, say: BenchContext['say']): void => {
  const { small, medium, large } = published.admittedAfterS
  say(`${title}; nobody can end before ${boundS.toFixed(1)} s`)
  say(
    `  ${'Kueue, published'.padEnd(34)} ${seconds(published.wallS)}  use ${percent(published.use)}  admitted after ` +
      `${seconds(small)} ${seconds(medium)} ${seconds(large)}  (small, medium, large)`,
  )
}

const simulate = ({ config, short, makespanSMax }: Target, say: BenchContext['say']): Figure[] => {
  const { wallS } = config.published,
    boundS = lowerBoundS(config)
  sayPublished(config, boundS, say)
  const ideal = playTwin(config, { chargesOwnTime: false })
  say(describe('decisions that take no time', ideal))
  const inMemory = playTwin(config, { chargesOwnTime: true })
  say(describe('own time counted', inMemory))
  const durable = playDurably(config)
  say(describe(`the same, journal on disk`, durable))
  const of = { bench: name, unit: 's' }
  return [
    figure({
      ...of,
      metric: `${short}, simulated, no time for decisions, to the bound`,
      value: ideal.makespanS,
      baseline: boundS,
      goal: goal('ratio', 1.2),
    }),
    figure({
      ...of,
      metric: `${short}, simulated, in memory, to Kueue’s wall`,
      value: inMemory.makespanS,
      baseline: wallS,
      goal: goal('value', makespanSMax),
    }),
    figure({
      ...of,
      metric: `${short}, simulated, journal on disk, to Kueue’s wall`,
      value: durable.makespanS,
      baseline: wallS,
      goal: goal('value', makespanSMax),
    }),
    figure({
      ...of,
      metric: `${short}, simulated, own work in all`,
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

const databases = (): { title: string; url?: string }[] => {
  const url = process.env.QUAYSTONE_TEST_PG
  return [{ title: 'SQLite, full sync' }, ...(url ? [{ title: 'PostgreSQL', url }] : [])]
}

const clockFigures = async (target: Target, { say, signal }: BenchContext): Promise<Figure[]> => {
  const { config, short, makespanSMax } = target,
    figures: Figure[] = []
  sayPublished(config, lowerBoundS(config), say)
  for (const { title, url } of databases()) {
    const { wallS, use, admittedAfterS, cpuS, requests, evictions } = await withServer(url, (server) =>
      playByClock(config, server, { say, signal }),
    )
    const { small, medium, large } = admittedAfterS
    say(
      `  ${`real clock, HTTP, ${title}`.padEnd(34)} ${seconds(wallS)}  use ${percent(use)}  admitted after ` +
        `${seconds(small)} ${seconds(medium)} ${seconds(large)}  ` +
        `${evictions} evictions, ${requests} requests, ${cpuS.toFixed(1)} s of the server’s CPU`,
    )
    const metric = `${short}, real clock, HTTP, ${title}`
    const measured = { bench: name, metric, unit: 's', value: wallS, baseline: config.published.wallS }
    figures.push(figure({ ...measured, goal: goal('value', makespanSMax) }))
  }
  return figures
}

const withServer = async <T>(url: string | undefined, work: (server: QuotaProcess) => Promise<T>): Promise<T> => {
  const database = url === undefined ? undefined : await emptyDatabase(url)
  const server = await startQuota(database?.url)
  try {
    return await work(server)
  } finally {
    await server.stop()
    await database?.drop()
  }
}

const goal = (of: Goal['of'], limit: number): Goal => ({ of, is: 'at most', limit })

const run = async (context: BenchContext): Promise<Figure[]> => {
  const words = byClock()
  const strange = words.find((word) => !targets.some((target) => target.word === word))
  if (strange !== undefined) throw new Error(`QUAYSTONE_KUEUE_CLOCK is baseline or large, not "${strange}".`)
  const figures: Figure[] = []
  for (const target of targets) {
    context.signal.throwIfAborted()
    if (words.length === 0) figures.push(...simulate(target, context.say))
    else if (words.includes(target.word)) figures.push(...(await clockFigures(target, context)))
  }
  return figures
}

export const bench: Bench = { name, about, run }
