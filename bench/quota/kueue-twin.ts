/** Plays Kueue's performance workload against the quota engine: the same queues, arrivals and run times. */
import { QuotaEngine } from '../../packages/server/src/engines/quota/engine.ts'
import { plant, type Plot } from '../../packages/server/src/engines/quota/testing/planted.ts'
import type { Project } from '../../packages/server/src/engines/quota/tree.ts'
import { nextInLine, type Waiter } from '../../packages/server/src/engines/quota/waiting.ts'
import type { ClaimJournal, ClaimWritten } from './claim-journal.ts'
import { EventQueue } from './event-queue.ts'
import type { TwinConfig, WorkClass } from './kueue-config.ts'

/** One workload, waiting or running. */
interface Work extends Waiter {
  readonly class: WorkClass
  readonly queue: Queue
  readonly createdAtMs: number
  admittedAtMs: number
  /** Of the run that counts; an eviction makes the planned end of the earlier one void. */
  run: number
}

interface Queue {
  readonly project: Project
  readonly cohort: number
  /** One line a class, first come first served; who is evicted goes to its end. */
  readonly lines: Work[][]
}

type Event = { arrives: WorkClass; at: Queue } | { ends: Work; run: number }

export interface TwinResult {
  /** From the first creation to the last end, on the twin's clock. */
  makespanS: number
  /** Real time of all passes: the engine, the choice of who is next, and the journal. */
  workS: number
  decisions: number
  evictions: number
  /** Mean of what runs over what is there. */
  use: number
  admittedAfterS: Record<WorkClass['name'], number>
}

/** How real time enters the twin's clock, which is otherwise simulated: what only waits takes none. */
export interface TwinOptions {
  /**
   * Every scheduling pass takes as much of the twin's time as it really took, and what it admits starts when it is
   * over, as with one scheduler thread beside a real clock.
   */
  chargesOwnTime: boolean
  /** What a pass decided is committed there, as a part of the pass. */
  journal?: ClaimJournal
}

export const playTwin = (config: TwinConfig, options: TwinOptions): TwinResult => new Twin(config, options).play()

class Twin {
  readonly #config: TwinConfig
  readonly #options: TwinOptions
  readonly #engine: QuotaEngine
  readonly #queues: Queue[] = []
  readonly #events = new EventQueue<Event>()
  readonly #running = new Map<string, Work>()
  /** In the present pass. */
  readonly #admitted = new Set<Work>()
  readonly #made = new Map<string, ClaimWritten>()
  readonly #ended: string[] = []
  readonly #waits = new Map<WorkClass, number>()
  #nowMs = 0
  #workMs = 0
  #decisions = 0
  #evictions = 0
  #usedUnitMs = 0
  #usedUnits = 0
  #claims = 0

  constructor(config: TwinConfig, options: TwinOptions) {
    this.#config = config
    this.#options = options
    this.#engine = new QuotaEngine(plant(plotsOf(config), ['cpu']))
    for (let cohort = 0; cohort < config.cohorts; cohort++) {
      for (let queue = 0; queue < config.queuesEach; queue++) this.#open(cohort, `c${cohort}q${queue}`)
    }
  }

  #open(cohort: number, id: string): void {
    const queue = {
      project: this.#engine.tree.project(id),
      cohort,
      lines: this.#config.classes.map((): Work[] => []),
    }
    this.#queues.push(queue)
    for (const each of this.#config.classes) {
      for (let made = 1; made <= each.count; made++)
        this.#events.plan(made * each.everyMs, { arrives: each, at: queue })
    }
  }

  play(): TwinResult {
    for (let next = this.#events.nextMs; next !== undefined; next = this.#events.nextMs) {
      this.#advance(Math.max(0, next - this.#nowMs))
      const begun = performance.now()
      for (const [cohort, fresh] of this.#takeDue()) this.#schedule(cohort, fresh)
      this.#options.journal?.write([...this.#made.values()], this.#ended)
      const tookMs = performance.now() - begun
      this.#workMs += tookMs
      if (this.#options.chargesOwnTime) this.#advance(tookMs)
      this.#startAdmitted()
    }
    return this.#result()
  }

  #advance(byMs: number): void {
    this.#usedUnitMs += this.#usedUnits * byMs
    this.#nowMs += byMs
  }

  /** Cohorts where something changed; with the new heads of lines where nothing was released, else all heads. */
  #takeDue(): Map<number, Work[] | 'all'> {
    const touched = new Map<number, Work[] | 'all'>()
    for (let event = this.#events.takeDue(this.#nowMs); event; event = this.#events.takeDue(this.#nowMs)) {
      if ('ends' in event) this.#end(event, touched)
      else this.#arrive(event, touched)
    }
    return touched
  }

  #end({ ends, run }: { ends: Work; run: number }, touched: Map<number, Work[] | 'all'>): void {
    if (ends.run !== run) return
    this.#stop(ends)
    touched.set(ends.queue.cohort, 'all')
  }

  #arrive({ arrives, at }: { arrives: WorkClass; at: Queue }, touched: Map<number, Work[] | 'all'>): void {
    const work = this.#make(arrives, at),
      line = this.#lineOf(work)
    line.push(work)
    const fresh = touched.get(at.cohort) ?? []
    if (line.length === 1 && fresh !== 'all') fresh.push(work)
    touched.set(at.cohort, fresh)
  }

  #make(each: WorkClass, queue: Queue): Work {
    const vector = { resources: [0], amounts: [each.units] },
      id = `${queue.project.id} ${each.name} ${this.#claims++}`
    const waiter = { id, leaf: queue.project.leaf, vector, priority: each.priority, sinceMs: this.#nowMs }
    return { ...waiter, class: each, queue, createdAtMs: this.#nowMs, admittedAtMs: -1, run: 0 }
  }

  #lineOf({ queue, class: each }: Work): Work[] {
    return queue.lines[this.#config.classes.indexOf(each)]!
  }

  /** Offers what there is to the heads of all lines in the engine's fair order, until nobody gets anything. */
  #schedule(cohort: number, fresh: Work[] | 'all'): void {
    const heads = fresh === 'all' ? this.#headsOf(cohort) : fresh
    for (let next = nextInLine(this.#engine.tree, heads); next; next = nextInLine(this.#engine.tree, heads)) {
      heads.splice(heads.indexOf(next), 1)
      if (!this.#admit(next)) continue
      const line = this.#lineOf(next)
      line.shift()
      if (line[0]) heads.push(line[0])
    }
  }

  #headsOf(cohort: number): Work[] {
    const { queuesEach } = this.#config
    return this.#queues
      .slice(cohort * queuesEach, (cohort + 1) * queuesEach)
      .flatMap(({ lines }) => lines.flatMap((line) => (line[0] ? [line[0]] : [])))
  }

  #admit(work: Work): boolean {
    this.#decisions++
    const ask = {
      id: `${work.id} ${++work.run}`,
      project: work.queue.project.id,
      amounts: { cpu: work.class.units },
      priority: work.priority,
      lineage: work.id,
      whenFull: 'reclaim',
      reclaimable: 'yes',
    } as const
    const outcome = this.#engine.claim(ask, this.#nowMs)
    if (outcome.state === 'refused') return false
    for (const { claim } of outcome.state === 'reclaiming' ? outcome.notices : []) this.#evict(claim)
    this.#running.set(ask.id, work)
    this.#usedUnits += work.class.units
    this.#admitted.add(work)
    this.#made.set(ask.id, { id: ask.id, project: ask.project, units: work.class.units })
    return true
  }

  #startAdmitted(): void {
    for (const work of this.#admitted) {
      work.admittedAtMs = this.#nowMs
      this.#events.plan(this.#nowMs + work.class.runMs, { ends: work, run: work.run })
    }
    this.#admitted.clear()
    this.#made.clear()
    this.#ended.length = 0
  }

  #evict(claim: string): void {
    const work = this.#running.get(claim)!
    this.#leave(claim, work)
    work.run++
    this.#admitted.delete(work)
    this.#evictions++
    this.#lineOf(work).push(work)
  }

  #stop(work: Work): void {
    this.#leave(`${work.id} ${work.run}`, work)
    const waited = work.admittedAtMs - work.createdAtMs
    this.#waits.set(work.class, (this.#waits.get(work.class) ?? 0) + waited)
  }

  #leave(claim: string, work: Work): void {
    this.#running.delete(claim)
    if (!this.#made.delete(claim)) this.#ended.push(claim)
    this.#usedUnits -= work.class.units
    this.#engine.release(claim, this.#nowMs)
  }

  #result(): TwinResult {
    const { own, cohorts, queuesEach, classes } = this.#config
    const queues = cohorts * queuesEach
    const mean = (each: WorkClass) => this.#waits.get(each)! / (each.count * queues) / 1000
    const left = this.#queues.some(({ lines }) => lines.some((line) => line.length > 0))
    if (left || this.#running.size > 0) throw new Error('Not every workload came to its end.')
    return {
      makespanS: this.#nowMs / 1000,
      workS: this.#workMs / 1000,
      decisions: this.#decisions,
      evictions: this.#evictions,
      use: this.#usedUnitMs / (this.#nowMs * own * queues),
      admittedAfterS: Object.fromEntries(
        classes.map((each) => [each.name, mean(each)]),
      ) as TwinResult['admittedAfterS'],
    }
  }
}

const plotsOf = ({ cohorts, queuesEach, own, borrow }: TwinConfig): Record<string, Plot> => {
  const plots: Record<string, Plot> = {}
  for (let cohort = 0; cohort < cohorts; cohort++) {
    const queues = Array.from({ length: queuesEach }, (_, queue) => [`c${cohort}q${queue}`, { own, borrow }] as const)
    plots[`c${cohort}`] = { own: own * queuesEach, children: Object.fromEntries(queues) }
  }
  return plots
}
