/** Simulates 200 bursty tenants for a week under four ways to divide 2,000 units among them. */
import { QuotaEngine } from '../../packages/server/src/engines/quota/engine.ts'
import { inf, plant, type Plot } from '../../packages/server/src/engines/quota/testing/planted.ts'
import { randomOf } from './forest.ts'

const departments = 20
const tenantsEach = 10
const fairShare = 10
export const capacity = departments * tenantsEach * fairShare
export const stepMinutes = 10
const steps = (7 * 24 * 60) / stepMinutes
/** What there is in a week. */
export const unitMinutes = capacity * steps * stepMinutes

export interface Job {
  tenant: string
  size: number
  minutes: number
  arrivedAt: number
  id: string
  waits: boolean
  owned: boolean
}
export interface Regime {
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
export const regimes: Regime[] = [
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

/** From eight to twenty o'clock bursts begin five times as often as at night: capacity is short by day. */
const chanceToBegin = (step: number): number => {
  const hour = Math.floor((step * stepMinutes) / 60) % 24
  return hour >= 8 && hour < 20 ? 1 / 60 : 1 / 300
}

/** The same arrivals for every regime: each tenant is quiet for hours, then bursts to several times its share. */
export const arrivals = (): Job[][] => {
  const random = randomOf(42),
    byStep: Job[][] = Array.from({ length: steps }, () => [])
  for (let tenant = 0; tenant < departments * tenantsEach; tenant++) {
    const id = `d${Math.floor(tenant / tenantsEach)}t${tenant % tenantsEach}`
    for (let step = 0, busy = random() < 0.2; step < steps; step++) {
      if (random() < (busy ? 1 / 24 : chanceToBegin(step))) busy = !busy
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

export interface Week {
  /** Unit minutes that were in use, and those of jobs that came to their end. */
  used: number
  done: number
  /** Units in use, step by step. */
  usedAt: number[]
  /** Minutes from arrival to the first start, or to the week's end; of all, and of what its tenant was entitled to. */
  waitAll: number[]
  waitOwned: number[]
  evictions: number
}

class Simulation {
  readonly week: Week = { used: 0, done: 0, usedAt: [], waitAll: [], waitOwned: [], evictions: 0 }
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
    for (const job of arrived) this.#enqueue({ ...job, owned: this.#isEntitled(job) })
    for (const line of this.#rotated(now)) while (line.length > 0 && this.#start(line[0]!, now)) line.shift()
    for (const job of this.#evicted.splice(0)) this.#enqueue(job)
    const units = [...this.#running.values()].reduce((sum, { job }) => sum + job.size, 0)
    this.week.usedAt.push(units)
    this.week.used += units * stepMinutes
  }

  /** Who still waits has waited until now. */
  end(now: number): void {
    for (const line of this.#lines.values()) for (const job of line) if (job.waits) this.#noteWait(job, now)
  }

  /** With all that its tenant runs and waits for, is it within the tenant's fair part? */
  #isEntitled({ tenant, size }: Job): boolean {
    const { tree } = this.#engine,
      ahead = (this.#lines.get(tenant) ?? []).reduce((sum, job) => sum + job.size, 0)
    return tree.ledger.counted(tree.project(tenant).leaf, 0) + ahead + size <= fairShare
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
    const id = `${job.id} ${this.#claims++}`,
      nowMs = now * stepMinutes * 60_000
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

export const play = (regime: Regime, byStep: readonly Job[][]): Week => {
  const simulation = new Simulation(regime)
  byStep.forEach((arrived, now) => simulation.step(now, arrived))
  simulation.end(byStep.length)
  return simulation.week
}
