/** Keeps the host's own side of the networks: reads it, plans, acts. One at a time: prefixes are claimed first come. */
import type { Log } from '#platform/log/log.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { foundFilter } from './filter-found.ts'
import { emptyFound } from './filter-model.ts'
import { foundLinks } from './found-links.ts'
import { planHostSide, type FoundHostSide, type HostPlan } from './host-plan.ts'
import { Locks } from './locks.ts'
import type { Names } from './names.ts'
import { readRoutes, sectionsOf } from './observe.ts'
import { countLines, runSteps, type Shell } from './shell.ts'

export class HostKeeper {
  readonly #locks = new Locks()
  readonly #told = new Set<string>()
  readonly #shell: Shell
  readonly #names: Names
  readonly #log: Log

  constructor(shell: Shell, names: Names, log: Log) {
    this.#shell = shell
    this.#names = names
    this.#log = log
  }

  /**
   * Makes the legs of these networks; with `reap`, takes away those of all others. Answers the number of commands.
   * `suspects` are ids of networks whose end of the leg is gone or going: the kernel takes its time with the other.
   */
  keep(networks: WantedNetwork[], reap: boolean, suspects: ReadonlySet<string>): Promise<number> {
    return this.#locks.run('host', async () => {
      const plan = planHostSide(this.#names, await this.observe(), { networks, reap, suspects })
      for (const refusal of plan.refused) this.#tellOnce(refusal)
      await runSteps(this.#shell, plan.steps)
      return countLines(plan.steps)
    })
  }

  async observe(): Promise<FoundHostSide> {
    const found: FoundHostSide = { links: new Map(), routes: [], filter: emptyFound(), iptables: [], forwards: false }
    for (const [title, text] of sectionsOf(await this.#shell.look(reader(this.#names)))) {
      if (title === 'links') found.links = foundLinks(JSON.parse(text))
      if (title === 'routes')
        found.routes.push(...readRoutes(text).filter((route) => route.destination !== 'default'))
      if (title === 'filter' && text.trim() !== '') found.filter = foundFilter(JSON.parse(text), this.#names.table)
      if (title === 'iptables') found.iptables = text.split('\n').map((line) => line.replaceAll('"', '').trim())
      if (title === 'forwards') found.forwards = text.trim() === '1'
    }
    return found
  }

  #tellOnce({ networkId, cidr, because, isGrave }: HostPlan['refused'][number]): void {
    const key = `${networkId} ${cidr}`
    if (this.#told.has(key)) return
    this.#told.add(key)
    const sentence = 'the host does not reach this network: its prefix has another meaning here'
    if (isGrave) this.#log.warn({ networkId, cidr, because }, sentence)
    else this.#log.info({ networkId, cidr, because }, sentence)
  }
}

const reader = (names: Names): string => `
echo "@@ links"; ip -j -d addr
echo; echo "@@ routes"; ip -j route
echo; echo "@@ routes"; ip -j -6 route 2>/dev/null
echo; echo "@@ filter"; nft -j list table inet ${names.table} 2>/dev/null
echo; echo "@@ forwards"; cat /proc/sys/net/ipv4/ip_forward
echo "@@ iptables"; { iptables -w -S FORWARD; iptables -w -S DOCKER-USER; } 2>/dev/null
:
`
