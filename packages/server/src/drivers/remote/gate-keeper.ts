/** While the cloud is away: containers that the engine restarted get their network back and go on. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type { ContainerRuntime, ContainerStatus, Sandbox } from '#services/workloads/ports.ts'
import type { KeptNetwork } from './kept-network.ts'

export interface GateKeeperOptions {
  runtime: ContainerRuntime
  network: KeptNetwork
  /** True while a process of the cloud has a link: it then opens the gates, and knows best what belongs behind them. */
  isCloudHere(): boolean
  clock: Clock
  log: Log
}

const everyMs = 2_000

/** Looks at every event of the engine and every two seconds, until the signal aborts. */
export async function keepGates(options: GateKeeperOptions, signal: AbortSignal): Promise<void> {
  const { runtime, isCloudHere, clock, log } = options
  let isRung = true
  const ring = () => {
    isRung = true
  }
  runtime.watch(ring, signal).catch((error: unknown) => log.warn({ err: error }, 'The engine is not watched'))
  for (let round = 0; !signal.aborted; round++) {
    if (!isCloudHere() && (isRung || round % 5 === 0)) {
      isRung = false
      await look(options).catch((error: unknown) => log.debug({ err: error }, 'The engine does not answer now'))
    }
    await clock.sleep(everyMs, signal)
  }
}

/** Ports of containers that ended are let go of first: a process number may be another's by now. */
async function look({ runtime, network, isCloudHere, log }: GateKeeperOptions): Promise<void> {
  const running = (await runtime.list()).filter(({ state }) => state === 'running')
  network.placeOnly(pidsOf(running))
  for (const { id, gated, workloadId } of running) {
    if (!gated || workloadId === undefined || !(await runtime.gateWaiting(id)) || isCloudHere()) continue
    const isOpened = await runtime.openGate(id, (sandbox) => refill(network, workloadId, sandbox))
    if (isOpened) log.info({ workloadId }, 'A container that came back has its network again')
  }
}

export const pidsOf = (statuses: ContainerStatus[]): Map<string, number> =>
  new Map(
    statuses.flatMap(({ workloadId, pid }) => (workloadId === undefined || pid === 0 ? [] : [[workloadId, pid]])),
  )

async function refill(network: KeptNetwork, workloadId: string, sandbox: Sandbox): Promise<void> {
  for (const { network: on, port, securityGroups } of network.plugsOf(workloadId))
    await network.plug(on, { ...port, sandbox: { workloadId, ...sandbox } }, securityGroups)
}
