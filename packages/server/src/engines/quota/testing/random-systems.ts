/** Random closed systems: a tree, and containers that all want to run for ever on it. */
import fc from 'fast-check'
import type { Policy } from '../settings.ts'
import type { ClosedSystem, Job } from './closed-system.ts'
import { plant } from './planted.ts'
import { randomPlots } from './random-plots.ts'
import type { PlotOptions } from './random-plots.ts'

export interface SystemOptions extends PlotOptions {
  sizes: readonly number[]
  /** Default: 2 to 30. */
  jobs?: { minLength: number; maxLength: number }
  /** Of the root. */
  policy?: fc.Arbitrary<Partial<Policy>>
  stepMs?: fc.Arbitrary<number>
}

/** Shallow and crowded, so that one container often costs several others. */
export const crowded = { depthMax: 2, jobs: { minLength: 40, maxLength: 60 } } as const

/** In half of them nobody has a priority, so that only the rights between projects decide. */
export const systems = (options: SystemOptions): fc.Arbitrary<ClosedSystem> =>
  fc
    .record({
      plots: randomPlots(options),
      policy: options.policy ?? fc.constant({}),
      stepMs: options.stepMs ?? fc.constant(1),
      ranks: fc.boolean(),
      jobs: fc.array(
        fc.record({ at: fc.nat(1000), amounts: amountsOf(options), priority: fc.nat(2) }),
        options.jobs ?? { minLength: 2, maxLength: 30 },
      ),
    })
    .map(({ plots: { r }, policy, stepMs, ranks, jobs }) => {
      const { resources } = options,
        plots = { r: { ...r!, policy } }
      const projects = [...plant(plots, resources).projects].map((project) => project.id)
      const asked = jobs.map(({ at, amounts, priority }): Job => ({
        project: projects[at % projects.length]!,
        amounts,
        priority: ranks ? priority : 0,
      }))
      return { plots, jobs: asked, resources, stepMs }
    })

/** Of several resources each is asked for in two of three cases, and one always. */
const amountsOf = ({ sizes, resources = ['units'] }: SystemOptions): fc.Arbitrary<Record<string, number>> => {
  const size = fc.constantFrom(...sizes)
  if (resources.length === 1) return fc.record({ [resources[0]!]: size })
  const some = fc.record(Object.fromEntries(resources.map((name) => [name, fc.oneof(size, size, fc.constant(0))])))
  return fc.tuple(some, fc.constantFrom(...resources), size).map(([all, name, one]) => ({ ...all, [name]: one }))
}
