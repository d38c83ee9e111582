/** What a benchmark is, and what it measures: a figure beside its baseline of the same run, and a goal. */

export interface BenchContext {
  /** One line for the person who waits; never mixed into the JSON. */
  readonly say: (line: string) => void
  /** Aborted on Ctrl-C: a benchmark ends what it started and rejects. */
  readonly signal: AbortSignal
}

export interface Bench {
  /** The word after `./quaystone bench`. */
  readonly name: string
  readonly about: string
  run(context: BenchContext): Promise<Figure[]>
}

export interface Figure {
  readonly bench: string
  readonly metric: string
  readonly unit: string
  readonly value: number
  /** The same work by other means, in the same run; undefined when a number stands for itself. */
  readonly baseline: number | undefined
  /** value / baseline. */
  readonly ratio: number | undefined
  /** In words: `ratio ≤ 1.25`. */
  readonly goal: string
  readonly ok: boolean
}

export interface Goal {
  /** What the goal is about; a ratio needs a baseline. */
  readonly of: 'ratio' | 'value'
  readonly is: 'at most' | 'at least'
  readonly limit: number
}

export type Measured = Pick<Figure, 'bench' | 'metric' | 'unit' | 'value'> & { baseline?: number; goal: Goal }

/** Completes a measurement: the ratio, the goal in words, and whether it was reached. */
export function figure({ goal, baseline, ...measured }: Measured): Figure {
  const ratio = baseline === undefined ? undefined : measured.value / baseline
  const judged = goal.of === 'ratio' ? ratio : measured.value
  if (judged === undefined)
    throw new Error(`${measured.bench} ${measured.metric}: a goal for the ratio needs a baseline.`)
  const ok = goal.is === 'at most' ? judged <= goal.limit : judged >= goal.limit
  const words = `${goal.of} ${goal.is === 'at most' ? '≤' : '≥'} ${goal.limit}`
  return { ...measured, baseline, ratio, goal: words, ok }
}
