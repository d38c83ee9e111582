/** Keeps the routers of one host: each in a namespace of its own. */
import type { WantedNetwork, WantedRouter } from '#services/neutron/ports.ts'
import type { FoundLinks } from './found-links.ts'
import type { Names } from './names.ts'
import { removeNamespace, type FoundNamespace } from './namespace.ts'
import { legsOf, planRouter } from './router-plan.ts'
import { countLines, runSteps, type Shell } from './shell.ts'

export interface RouterSurroundings {
  networks: ReadonlyMap<string, WantedNetwork>
  networkLinks: ReadonlyMap<string, FoundLinks>
}

export class RouterKeeper {
  readonly #shell: Shell
  readonly #names: Names

  constructor(shell: Shell, names: Names) {
    this.#shell = shell
    this.#names = names
  }

  /** Answers the number of commands. Callers run one sync at a time. */
  async sync(router: WantedRouter, found: FoundNamespace | undefined, around: RouterSurroundings): Promise<number> {
    const legs = legsOf(this.#names, router, around.networks)
    const steps = planRouter(this.#names, found, { router, legs, networkLinks: around.networkLinks })
    await runSteps(this.#shell, steps)
    return countLines(steps)
  }

  async remove(namespace: string): Promise<void> {
    await runSteps(this.#shell, [
      { about: `remove router ${namespace}`, tool: 'sh', lines: [removeNamespace(namespace)] },
    ])
  }
}
