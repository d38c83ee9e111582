/** A closed, contended workload: a fixed set of containers that all want to run for ever. Played until it rests. */
import assert from 'node:assert/strict'
import { QuotaEngine } from '../engine.ts'
import type { Outcome } from '../asks.ts'
import { plant } from './planted.ts'
import type { Plot } from './planted.ts'

export interface Job {
  project: string
  amounts: Readonly<Record<string, number>>
  priority: number
}

export interface ClosedSystem {
  plots: Record<string, Plot>
  jobs: readonly Job[]
  /** Default: `units` alone. */
  resources?: readonly string[]
  /** How long after each other they ask. Default: a millisecond, so that no cool-down ends. */
  stepMs?: number
}

export interface Rest {
  engine: QuotaEngine
  evictions: number
  /** What never started, or did not get back. */
  pending: (Job & { name: string })[]
  nowMs: number
}

export interface Watch {
  /** Sees every decision right after it was taken, before anybody stops. */
  decided?(engine: QuotaEngine, job: Job, outcome: Outcome): void
  /** Before each request: the engine that answers it. Default: the same one all the time. */
  resumed?(engine: QuotaEngine): QuotaEngine
}

type Running = Job & { name: string }

/**
 * First come, first tried; the evicted join the end of the queue; at rest when a whole round changes nothing. Where
 * time counts it goes on to the end of all cool-downs first.
 */
export const playUntilRest = (system: ClosedSystem, watch: Watch = {}): Rest => {
  const play = new Play(system)
  while (!play.isAtRest()) play.step(watch)
  const { engine, evictions, queue, nowMs } = play
  assert.equal(engine.tickets.size, 0)
  return { engine, evictions, pending: queue, nowMs }
}

class Play {
  engine: QuotaEngine
  evictions = 0
  nowMs = 0
  readonly queue: Running[]
  readonly #stepMs: number
  readonly #triesMax: number
  readonly #running = new Map<string, Running>()
  #tries = 0
  #idle = 0

  constructor({ plots, jobs, resources, stepMs = 1 }: ClosedSystem) {
    this.engine = new QuotaEngine(plant(plots, resources))
    this.queue = jobs.map((job, index) => ({ ...job, name: `job-${index}` }))
    this.#stepMs = stepMs
    this.#triesMax = 200 * (jobs.length + 5) * (jobs.length + 5)
  }

  isAtRest(): boolean {
    if (this.#idle < this.queue.length) return false
    const cooledMs = Math.max(0, ...[...this.engine.histories.values()].map((memory) => memory.ownOnlyUntilMs))
    if (this.#stepMs === 1 || cooledMs <= this.nowMs || this.queue.length === 0) return true
    this.nowMs = cooledMs
    this.#idle = 0
    return false
  }

  step(watch: Watch): void {
    assert.ok(this.#tries < this.#triesMax, `no rest after ${this.evictions} evictions`)
    const job = this.queue.shift()!,
      id = `${job.name}/${this.#tries++}`
    this.engine = watch.resumed?.(this.engine) ?? this.engine
    const outcome = this.#claim(job, id)
    watch.decided?.(this.engine, job, outcome)
    this.#idle = outcome.state === 'refused' ? this.#idle + 1 : 0
    if (outcome.state === 'refused') this.queue.push(job)
    else this.#running.set(id, job)
    if (outcome.state === 'reclaiming') this.#obey(id, outcome)
    this.nowMs += this.#stepMs
  }

  #claim({ project, amounts, priority, name }: Running, id: string): Outcome {
    const ask = { id, project, amounts, priority, lineage: name, whenFull: 'reclaim', reclaimable: 'yes' } as const
    return this.engine.claim(ask, this.nowMs)
  }

  #obey(id: string, { notices }: Extract<Outcome, { state: 'reclaiming' }>): void {
    for (const { claim } of notices) {
      this.engine.release(claim, this.nowMs)
      this.queue.push(this.#running.get(claim)!)
      this.#running.delete(claim)
      this.evictions++
    }
    assert.ok(this.engine.book.find(id), 'the plan must make the request fit')
  }
}
