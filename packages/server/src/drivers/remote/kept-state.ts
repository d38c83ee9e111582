/** The wanted network of a host as its agent was last told: in a file, so that it outlives every process. */
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { HostNetworkState, WantedNetwork, WantedPort, WantedSecurityGroup } from '#services/neutron/ports.ts'

export interface Plug {
  network: WantedNetwork
  port: WantedPort
  securityGroups: WantedSecurityGroup[]
}

/** `lostBy`: the workload whose container the port was in, and is not any more. */
export type KeptPort = WantedPort & { lostBy?: string }

/** A line of the file: the whole state first, then what changed since. */
type Line = { whole: HostNetworkState } | { plug: Plug } | { unplug: string }

const nothing: HostNetworkState = { networks: [], ports: [], routers: [], securityGroups: [] }
/** After so many changes the file is written anew. */
const changesMax = 500

const replaced = <T extends { id: string }>(list: T[], fresh: T[]): T[] => {
  const ids = new Set(fresh.map(({ id }) => id))
  return [...list.filter(({ id }) => !ids.has(id)), ...fresh]
}

const plugged = (state: HostNetworkState, { network, port, securityGroups }: Plug): HostNetworkState => ({
  ...state,
  networks: replaced(state.networks, [network]),
  ports: replaced(state.ports, [port]),
  securityGroups: replaced(state.securityGroups, securityGroups),
})

const afterLine = (state: HostNetworkState, line: Line): HostNetworkState => {
  if ('whole' in line) return line.whole
  if ('plug' in line) return plugged(state, line.plug)
  return { ...state, ports: state.ports.filter(({ id }) => id !== line.unplug) }
}

/** A process that died while it wrote leaves half a line at the end: what it said was not done yet. */
const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)

export class KeptState {
  readonly #path: string
  #state: HostNetworkState | undefined
  /** Plugged since the last whole state, which may have been computed before them: they outlive the next one. */
  readonly #recent = new Map<string, Plug>()
  #changes = 0

  constructor(path: string) {
    this.#path = path
    const lines = linesOf(readIfThere(path))
    if (lines.length > 0) this.#write(lines.reduce(afterLine, nothing))
  }

  /** Undefined: this agent was never told anything, so nothing on the host may be judged by it. */
  get wanted(): HostNetworkState | undefined {
    return this.#state
  }

  // Each of these is in the file when it returns.

  replace(wanted: HostNetworkState): void {
    const missing = [...this.#recent.values()].filter(({ port }) => !wanted.ports.some(({ id }) => id === port.id))
    this.#recent.clear()
    const state = missing.reduce((before, { network, port, securityGroups }) => {
      const own = before.networks.some(({ id }) => id === network.id)
      const groups = securityGroups.filter(({ id }) => !before.securityGroups.some((group) => group.id === id))
      return plugged(before, {
        network: own ? before.networks.find(({ id }) => id === network.id)! : network,
        port,
        securityGroups: groups,
      })
    }, wanted)
    if (JSON.stringify(state) !== JSON.stringify(this.#state)) this.#write(state)
  }

  plug(plug: Plug): void {
    this.#recent.set(plug.port.id, plug)
    this.#add({ plug })
  }

  unplug(portId: string): void {
    this.#recent.delete(portId)
    if (this.#state?.ports.some(({ id }) => id === portId)) this.#add({ unplug: portId })
  }

  /** Containers that run, by workload, with their process: a port whose container is another now has no sandbox. */
  placeOnly(pids: ReadonlyMap<string, number>): void {
    if (this.#state === undefined) return
    const ports = this.#state.ports.map((port) => {
      const { sandbox, ...rest } = port
      const isLost = sandbox !== undefined && pids.get(sandbox.workloadId) !== sandbox.pid
      return isLost ? ({ ...rest, lostBy: sandbox.workloadId } satisfies KeptPort) : port
    })
    if (ports.some((port, at) => port !== this.#state!.ports[at])) this.#write({ ...this.#state, ports })
  }

  #add(line: Line): void {
    const state = afterLine(this.#state ?? nothing, line)
    if (this.#state === undefined || ++this.#changes > changesMax) return this.#write(state)
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`)
    this.#state = state
  }

  #write(state: HostNetworkState): void {
    const fresh = `${this.#path}.new`
    writeFileSync(fresh, `${JSON.stringify({ whole: state } satisfies Line)}\n`, { mode: 0o600 })
    renameSync(fresh, this.#path)
    this.#state = state
    this.#changes = 0
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
