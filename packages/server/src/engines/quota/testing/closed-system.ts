/** A closed, contended workload: a fixed set of containers that all want to run for ever. Played until it rests. */
import assert from 'node:assert/strict'
import { QuotaEngine } from '../engine.ts'
import type { Outcome } from '../asks.ts'
import { plant } from './planted.ts'
import type { Plot } from './planted.ts'

export interface Job {
  project: string
  size: number
  priority: number
}

export interface Rest {
  engine: QuotaEngine
  evictions: number
  /** What never started, or did not get back. */
  pending: (Job & { name: string })[]
}

export interface Watch {
  /** Sees every decision right after it was taken, before anybody stops. */
  decided?(engine: QuotaEngine, job: Job, outcome: Outcome): void
  /** Before each request: the engine that answers it. Default: the same one all the time. */
  resumed?(engine: QuotaEngine): QuotaEngine
}

type Running = Job & { name: string }

/** First come, first tried; the evicted join the end of the queue; at rest when a whole round changes nothing. */
export const playUntilRest = (plots: Record<string, Plot>, jobs: readonly Job[], watch: Watch = {}): Rest => {
  let engine = new QuotaEngine(plant(plots))
  const queue: Running[] = jobs.map((job, index) => ({ ...job, name: `job-${index}` }))
  const running = new Map<string, Running>()
  const triesMax = 200 * (jobs.length + 5) * (jobs.length + 5)
  let evictions = 0,
    idle = 0
  for (let tries = 0; queue.length > 0 && idle < queue.length; tries++) {
    assert.ok(tries < triesMax, `no rest after ${evictions} evictions`)
    const job = queue.shift()!,
      id = `${job.name}/${tries}`
    engine = watch.resumed?.(engine) ?? engine
    const outcome = engine.claim(
      {
        id,
        project: job.project,
        amounts: { units: job.size },
        priority: job.priority,
        lineage: job.name,
        whenFull: 'reclaim',
        reclaimable: 'yes',
      },
      tries,
    )
    watch.decided?.(engine, job, outcome)
    idle = outcome.state === 'refused' ? idle + 1 : 0
    if (outcome.state === 'refused') queue.push(job)
    else running.set(id, job)
    for (const notice of outcome.state === 'reclaiming' ? outcome.notices : []) {
      engine.release(notice.claim, tries)
      queue.push(running.get(notice.claim)!)
      running.delete(notice.claim)
      evictions++
    }
    if (outcome.state === 'reclaiming') assert.ok(engine.book.find(id), 'the plan must make the request fit')
  }
  assert.equal(engine.tickets.size, 0)
  return { engine, evictions, pending: queue }
}
