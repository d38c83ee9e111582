/** A simulated week of 200 bursty tenants on 2,000 units, under four ways to divide them: use, waits, evictions. */
import { QuotaEngine } from '../packages/server/src/engines/quota/engine.ts'
import { inf, plant, type Plot } from '../packages/server/src/engines/quota/testing/planted.ts'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import { randomOf } from './quota/forest.ts'

const name = 'quota-week'
const departments = 20
const tenantsEach = 10
const fairShare = 10
const capacity = departments * tenantsEach * fairShare
const stepMinutes = 10
const steps = (7 * 24 * 60) / stepMinutes

interface Job {
  tenant: string
  size: number
  minutes: number
  arrivedAt: number
  id: string
  waits: boolean
  owned: boolean
}
interface Regime {
  title: string
  plots: Record<string, Plot>
}

const children = (prefix: string, count: number, plot: (index: number) => Plot): Record<string, Plot> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix}${index}`, plot(index)]))

const organisation = (title: string, root: Plot, department: Plot, tenant: Plot): Regime => ({
  title,
  plots: {
    org: {
      ...root,
      children: children('d', departments, (index) => ({
        ...department,
        children: children(`d${index}t`, tenantsEach, () => tenant),
      })),
    },
  },
})

const shared: Plot = { own: 0, borrow: inf }
const regimes: Regime[] = [
  organisation('exclusive', {}, { lend: 0, borrow: 0 }, { own: fairShare, lend: 0, borrow: 0 }),
  organisation('lend', {}, { borrow: inf }, { own: fairShare, borrow: inf }),
  organisation('ratio', { pool: capacity }, shared, shared),
  organisation(
    'mixed',
    { pool: capacity / 4 },
    { pool: (tenantsEach * fairShare) / 4, borrow: inf },
    { own: fairShare / 2, borrow: inf },
  ),
]

/** The same arrivals for every regime: each tenant is quiet for hours, then bursts to several times its share. */
const arrivals = (): Job[][] => {
  const random = randomOf(42),
    byStep: Job[][] = Array.from({ length: steps }, () => [])
  for (let tenant = 0; tenant < departments * tenantsEach; tenant++) {
    const id = `d${Math.floor(tenant / tenantsEach)}t${tenant % tenantsEach}`
    for (let step = 0, busy = random() < 0.2; step < steps; step++) {
      if (random() < (busy ? 1 / 24 : 1 / 100)) busy = !busy
      for (let count = busy ? 2 : 0; count > 0 || random() < 0.03; count--) {
        byStep[step]!.push({
          tenant: id,
          size: 1 + Math.floor(random() * 3),
          minutes: 30 + Math.floor(random() * 150),
          arrivedAt: step,
          id: `${id} ${step} ${count}`,
          waits: true,
          owned: false,
        })
      }
    }
  }
  return byStep
}

interface Week {
  used: number
  done: number
  waitAll: number[]
  waitOwned: number[]
  evictions: number
}

class Simulation {
  readonly week: Week = { used: 0, done: 0, waitAll: [], waitOwned: [], evictions: 0 }
  readonly #engine: QuotaEngine
  readonly #running = new Map<string, { job: Job; endsAt: number }>()
  /** Each tenant's own line, first come first served. */
  readonly #lines = new Map<string, Job[]>()
  readonly #evicted: Job[] = []
  #claims = 0

  constructor(regime: Regime) {
    this.#engine = new QuotaEngine(plant(regime.plots))
  }

  step(now: number, arrived: readonly Job[]): void {
    for (const [claim, { job, endsAt }] of this.#running) {
      if (endsAt > now) continue
      this.#stop(claim, now)
      this.week.done += job.size * job.minutes
    }
    for (const job of arrived) this.#enqueue({ ...job })
    for (const line of this.#rotated(now)) while (line.length > 0 && this.#start(line[0]!, now)) line.shift()
    for (const job of this.#evicted.splice(0)) this.#enqueue(job)
    for (const { job } of this.#running.values()) this.week.used += job.size * stepMinutes
  }

  #enqueue(job: Job): void {
    const line = this.#lines.get(job.tenant)
    if (line) line.push(job)
    else this.#lines.set(job.tenant, [job])
  }

  /** Every step another tenant is the first to ask. */
  #rotated(now: number): Job[][] {
    const lines = [...this.#lines.values()]
    return lines.map((_, index) => lines[(index + now * 7) % lines.length]!)
  }

  #stop(claim: string, now: number): void {
    this.#running.delete(claim)
    this.#engine.release(claim, now * stepMinutes * 60_000)
  }

  #start(job: Job, now: number): boolean {
    const { tree } = this.#engine,
      id = `${job.id} ${this.#claims++}`,
      nowMs = now * stepMinutes * 60_000
    // Whether it stays within the tenant's fair part is judged when it first asks: the wait of what one is entitled to.
    if (now === job.arrivedAt) job.owned = tree.ledger.counted(tree.project(job.tenant).leaf, 0) + job.size <= fairShare
    const outcome = this.#engine.claim(
      {
        id,
        project: job.tenant,
        amounts: { units: job.size },
        whenFull: 'reclaim',
        reclaimable: 'yes',
        lineage: job.id,
      },
      nowMs,
    )
    if (outcome.state === 'refused') return false
    for (const notice of outcome.state === 'reclaiming' ? outcome.notices : []) this.#evict(notice.claim, now)
    this.#running.set(id, { job, endsAt: now + Math.ceil(job.minutes / stepMinutes) })
    if (job.waits) this.#noteWait(job, now)
    return true
  }

  /** Its work is lost; it starts again from the beginning when it can. */
  #evict(claim: string, now: number): void {
    const { job } = this.#running.get(claim)!
    this.#stop(claim, now)
    this.#evicted.push(job)
    this.week.evictions++
  }

  #noteWait(job: Job, now: number): void {
    const minutes = (now - job.arrivedAt) * stepMinutes
    job.waits = false
    this.week.waitAll.push(minutes)
    if (job.owned) this.week.waitOwned.push(minutes)
  }
}

const play = (regime: Regime, byStep: readonly Job[][]): Week => {
  const simulation = new Simulation(regime)
  byStep.forEach((arrived, now) => simulation.step(now, arrived))
  return simulation.week
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
const at = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? 0
const bar = (share: number): string => '█'.repeat(Math.round(share * 40)).padEnd(40, '·')

const run = async ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const byStep = arrivals(),
    offered = byStep.flat().reduce((sum, job) => sum + job.size * job.minutes, 0)
  const whole = capacity * steps * stepMinutes
  say(
    `200 tenants, ${byStep.flat().length.toLocaleString('en')} jobs, ` +
      `offered load ${((100 * offered) / whole).toFixed(0)} % of capacity`,
  )
  say(['regime'.padEnd(10), 'used'.padEnd(40), 'used %', 'done %', 'wait mean', 'entitled p95', 'evictions'].join('  '))
  const weeks = new Map<string, Week>()
  for (const regime of regimes) {
    signal.throwIfAborted()
    const week = play(regime, byStep)
    weeks.set(regime.title, week)
    say(
      [
        regime.title.padEnd(10),
        bar(week.used / whole),
        `${((100 * week.used) / whole).toFixed(1)} %`,
        `${((100 * week.done) / offered).toFixed(1)} %`,
        `${mean(week.waitAll).toFixed(0)} min`.padStart(9),
        `${at(week.waitOwned, 0.95)} min`.padStart(12),
        String(week.evictions).padStart(9),
      ].join('  '),
    )
  }
  return ['lend', 'ratio', 'mixed'].flatMap((title) =>
    figuresOf(title, weeks.get(title)!, weeks.get('exclusive')!, whole),
  )
}

const figuresOf = (title: string, week: Week, exclusive: Week, whole: number): Figure[] => [
  figure({
    bench: name,
    metric: `use of capacity, ${title} to exclusive`,
    unit: 'share',
    value: week.used / whole,
    baseline: exclusive.used / whole,
    goal: { of: 'ratio', is: 'at least', limit: 1.1 },
  }),
  figure({
    bench: name,
    metric: `work done, ${title} to exclusive`,
    unit: 'unit minutes',
    value: week.done,
    baseline: exclusive.done,
    goal: { of: 'ratio', is: 'at least', limit: 1.1 },
  }),
  figure({
    bench: name,
    metric: `wait for the entitled part p95, ${title}`,
    unit: 'min',
    value: at(week.waitOwned, 0.95),
    goal: { of: 'value', is: 'at most', limit: stepMinutes },
  }),
]

export const bench: Bench = {
  name,
  about: 'A simulated week of 200 bursty tenants under four ways to divide capacity',
  run,
}
