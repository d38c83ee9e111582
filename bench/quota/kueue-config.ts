/** Kueue's scheduling performance tests as their generators describe them, and what Kueue publishes of its own runs. */

export interface WorkClass {
  name: 'small' | 'medium' | 'large'
  /** How many of it arrive in each queue, one every `everyMs`. */
  count: number
  everyMs: number
  runMs: number
  units: number
  priority: number
}

export interface TwinConfig {
  title: string
  cohorts: number
  queuesEach: number
  /** Of each queue; it lends all of it, and takes it back from any borrower. */
  own: number
  borrow: number
  classes: readonly WorkClass[]
  published: Published
}

/** test/performance/scheduler/configs/…/rangespec.yaml in kubernetes-sigs/kueue at ff69552e (August 2026). */
export interface Published {
  wallS: number
  use: number
  /** Mean time from creation to the last admission. */
  admittedAfterS: Record<WorkClass['name'], number>
}

export const baseline: TwinConfig = {
  title: 'Kueue baseline, 15,000 workloads in 30 queues',
  cohorts: 5,
  queuesEach: 6,
  own: 20,
  borrow: 100,
  classes: [
    { name: 'small', count: 350, everyMs: 100, runMs: 200, units: 1, priority: 50 },
    { name: 'medium', count: 100, everyMs: 500, runMs: 500, units: 5, priority: 100 },
    { name: 'large', count: 50, everyMs: 1200, runMs: 1000, units: 20, priority: 200 },
  ],
  published: { wallS: 351.1, use: 0.559, admittedAfterS: { small: 215.5, medium: 76.8, large: 16.5 } },
}

export const largeScale: TwinConfig = {
  title: 'Kueue large scale, 50,000 workloads in 1,000 queues',
  cohorts: 10,
  queuesEach: 100,
  own: 20,
  borrow: 100,
  classes: [
    { name: 'small', count: 35, everyMs: 60, runMs: 150, units: 1, priority: 50 },
    { name: 'medium', count: 11, everyMs: 300, runMs: 350, units: 5, priority: 100 },
    { name: 'large', count: 4, everyMs: 700, runMs: 700, units: 20, priority: 200 },
  ],
  published: { wallS: 1179.4, use: 0.386, admittedAfterS: { small: 700.4, medium: 256.4, large: 105.6 } },
}

/** No scheduler can be faster: all work over all capacity, or the last arrival and its run. */
export const lowerBoundS = ({ own, classes }: TwinConfig): number => {
  const work = classes.reduce((sum, { count, runMs, units }) => sum + count * runMs * units, 0)
  return Math.max(work / own, ...classes.map(({ count, everyMs, runMs }) => count * everyMs + runMs)) / 1000
}
