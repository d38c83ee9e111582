/** Where a port's container lives: the path of its network namespace, and what tells it from its successor. */
import { stat } from 'node:fs/promises'
import { conflict } from '#platform/errors/errors.ts'
import type { WantedNetwork, WantedPort } from '#services/neutron/ports.ts'
import type { PlacedPort } from './port-plan.ts'

/** Looks at the port's sandbox; refuses when it is gone, as after the container's end. */
export async function placePort(network: WantedNetwork, port: WantedPort): Promise<PlacedPort> {
  const sandbox = port.sandbox
  if (!sandbox) throw conflict(`port ${port.id} is bound to no sandbox`)
  const sandboxPath = sandbox.netns || `/proc/${sandbox.pid}/ns/net`
  if (!/^\/[\w./-]+$/.test(sandboxPath))
    throw conflict(`port ${port.id}: ${sandboxPath} is not the path of a namespace`)
  try {
    const { dev, ino } = await stat(sandboxPath)
    return { network, port, sandboxPath, sandboxIdentity: `${dev}:${ino}` }
  } catch (error) {
    throw conflict(`port ${port.id}: the sandbox of workload ${sandbox.workloadId} is gone (${sandboxPath})`, {}, error)
  }
}
