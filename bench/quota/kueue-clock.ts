/** Plays Kueue's performance workload by the real clock through quota's HTTP API, as a job controller outside would. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TwinConfig, WorkClass } from './kueue-config.ts'
import type { QuotaProcess } from './quota-process.ts'

interface Job {
  readonly id: string
  readonly queue: string
  readonly class: WorkClass
  readonly createdAtMs: number
  /** Of the run that counts; undefined: it does not run. */
  admittedAtMs: number | undefined
  ends: NodeJS.Timeout | undefined
}

export interface ClockResult {
  /** From the first creation to the last end. */
  wallS: number
  /** Of the server's process. */
  cpuS: number
  requests: number
  evictions: number
  /** Mean of what runs over what is there. */
  use: number
  /** Mean time from creation to the last admission. */
  admittedAfterS: Record<WorkClass['name'], number>
}

/** How often it is asked what was granted or recalled: this API has no watch. */
const lookEveryMs = 20
/** How often everything that runs is listed: who was recalled and spared between two looks has started unseen. */
const relistEveryMs = 2_000
const pageMax = 1000

export const playByClock = async (
  config: TwinConfig,
  server: QuotaProcess,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<ClockResult> => {
  const queues = await openQueues(config, server)
  return new Runner(config, server, queues).play(say, signal)
}

/** Cohorts are root projects, queues their children: each owns, lends all, borrows, and takes back without grace. */
const openQueues = async (
  { cohorts, queuesEach, own, borrow }: TwinConfig,
  { ask }: QuotaProcess,
): Promise<string[]> => {
  const project = async (name: string, parent?: string): Promise<string> => {
    const body = { project: { name, domain_id: 'default', ...(parent && { parent_id: parent }) } }
    return (await ask('POST', '/identity/v3/projects', body)).project.id
  }
  const limit = (id: string, cores: object) => ask('PUT', `/quota/v1/projects/${id}`, { limits: { cores } })
  const queues: string[] = []
  for (let cohort = 0; cohort < cohorts; cohort++) {
    const root = await project(`cohort ${cohort}`)
    await limit(root, { own: own * queuesEach })
    await ask('PUT', `/quota/v1/projects/${root}/policy`, { policy: { reclaim: 'onDemand', graceMs: 0 } })
    for (let at = 0; at < queuesEach; at++) {
      const queue = await project(`queue ${cohort} ${at}`, root)
      await limit(queue, { own, lend: -1, borrow })
      queues.push(queue)
    }
  }
  return queues
}

class Runner {
  readonly #config: TwinConfig
  readonly #ask: QuotaProcess['ask']
  readonly #cpuMs: QuotaProcess['cpuMs']
  readonly #queues: readonly string[]
  readonly #jobs = new Map<string, Job>()
  readonly #evicting = new Set<Job>()
  readonly #waits = new Map<WorkClass, number>()
  readonly #failed = Promise.withResolvers<never>()
  #left = 0
  #requests = 0
  #evictions = 0
  #usedUnitMs = 0

  constructor(config: TwinConfig, { ask, cpuMs }: QuotaProcess, queues: readonly string[]) {
    this.#config = config
    this.#cpuMs = cpuMs
    this.#queues = queues
    this.#ask = (...asked) => {
      this.#requests++
      return ask(...asked)
    }
  }

  async play(say: (line: string) => void, signal: AbortSignal): Promise<ClockResult> {
    const { classes } = this.#config
    this.#left = this.#queues.length * classes.reduce((sum, { count }) => sum + count, 0)
    const cpuBefore = this.#cpuMs(),
      begun = performance.now()
    for (const queue of this.#queues)
      for (const each of classes) this.#guard(this.#arrive(queue, each, begun, signal))
    for (let said = begun, listed = begun; this.#left > 0;) {
      signal.throwIfAborted()
      if (performance.now() - listed > relistEveryMs) {
        listed = performance.now()
        await Promise.race([this.#relist(), this.#failed.promise])
      }
      await Promise.race([this.#look(), this.#failed.promise])
      if (performance.now() - said > 10_000) {
        said = performance.now()
        say(`    ${((said - begun) / 1000).toFixed(0)} s: ${this.#left} left, ${this.#jobs.size} there`)
      }
      await Promise.race([sleep(lookEveryMs), this.#failed.promise])
    }
    return this.#result((performance.now() - begun) / 1000, (this.#cpuMs() - cpuBefore) / 1000)
  }

  #guard(work: Promise<unknown>): void {
    work.catch(this.#failed.reject)
  }

  /** As Kueue's generator: it waits before each creation, and each creation is a request of its own. */
  async #arrive(queue: string, each: WorkClass, begun: number, signal: AbortSignal): Promise<void> {
    for (let made = 1; made <= each.count && !signal.aborted; made++) {
      await sleep(Math.max(0, begun + made * each.everyMs - performance.now()))
      const id = `${each.name}-${made}.${queue}`
      const job: Job = {
        id,
        queue,
        class: each,
        createdAtMs: performance.now(),
        admittedAtMs: undefined,
        ends: undefined,
      }
      this.#jobs.set(id, job)
      this.#guard(this.#claim(job))
    }
  }

  async #claim(job: Job): Promise<void> {
    const { id, queue, class: each } = job
    const claim = { id, project_id: queue, amounts: { cores: each.units }, priority: each.priority }
    const terms = { reclaimable: 'yes', when_full: 'wait', lineage: id }
    const { claims } = await this.#ask('POST', '/quota/v1/claims', { claims: [{ ...claim, ...terms }] })
    if (claims[0].state === 'reserved') this.#start(job)
  }

  #start(job: Job): void {
    if (job.admittedAtMs !== undefined || this.#evicting.has(job) || !this.#jobs.has(job.id)) return
    job.admittedAtMs = performance.now()
    job.ends = setTimeout(() => this.#guard(this.#end(job)), job.class.runMs)
  }

  async #end(job: Job): Promise<void> {
    this.#jobs.delete(job.id)
    await this.#ask('DELETE', pathOf(job))
    const { class: each, admittedAtMs = 0, createdAtMs } = job
    this.#waits.set(each, (this.#waits.get(each) ?? 0) + admittedAtMs - createdAtMs)
    this.#usedUnitMs += each.units * (performance.now() - admittedAtMs)
    this.#left--
  }

  /** Starts what was granted meanwhile and says so; ends what was recalled, which stands in line again. */
  async #look(): Promise<void> {
    const [granted, recalled] = await Promise.all([this.#list('reserved'), this.#list('recalled')])
    const jobs = granted.flatMap(({ id }) => this.#jobs.get(id) ?? [])
    for (const job of jobs) this.#start(job)
    const claims = jobs.map(({ id, queue: project_id }) => ({ id, project_id }))
    // One of them may be over or recalled meanwhile: then the next look commits the others.
    if (claims.length > 0) await this.#ask('POST', '/quota/v1/claims/commit', { claims }, 404)
    for (const { id } of recalled) {
      const job = this.#jobs.get(id)
      if (job && !this.#evicting.has(job)) this.#guard(this.#evict(job))
    }
  }

  async #list(state: string): Promise<{ id: string }[]> {
    return (await this.#ask('GET', `/quota/v1/claims?state=${state}&limit=${pageMax}`)).claims
  }

  async #relist(): Promise<void> {
    for (const { id } of await this.#list('committed')) {
      const job = this.#jobs.get(id)
      if (job) this.#start(job)
    }
  }

  async #evict(job: Job): Promise<void> {
    clearTimeout(job.ends)
    // It may have been recalled before it was seen that it had been granted.
    this.#usedUnitMs += job.class.units * (performance.now() - (job.admittedAtMs ?? performance.now()))
    job.admittedAtMs = undefined
    this.#evictions++
    this.#evicting.add(job)
    await this.#ask('DELETE', pathOf(job))
    this.#evicting.delete(job)
    await this.#claim(job)
  }

  #result(wallS: number, cpuS: number): ClockResult {
    const { own, classes } = this.#config,
      queues = this.#queues.length
    const mean = (name: WorkClass['name']): number => {
      const each = classes.find((one) => one.name === name)!
      return this.#waits.get(each)! / (each.count * queues) / 1000
    }
    return {
      ...{ wallS, cpuS, requests: this.#requests, evictions: this.#evictions },
      use: this.#usedUnitMs / (own * queues * wallS * 1000),
      admittedAfterS: { small: mean('small'), medium: mean('medium'), large: mean('large') },
    }
  }
}

const pathOf = ({ queue, id }: Job): string => `/quota/v1/projects/${queue}/claims/${id}`
