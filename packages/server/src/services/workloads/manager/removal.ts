/** Deletes a workload: first what is on the host, then, in one transaction, its ports, its claim and its life. */
import type { Host } from '#services/deps.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { containerFind } from './containers.ts'
import { unplugAll } from './network.ts'
import type { Parts } from './parts.ts'
import { finish, topics } from './records.ts'
import { clearVolumes } from './volumes.ts'
import { volumesForget } from '../store/volumes.ts'

/** What can be reached of the workload's host: its network may answer while its engine does not. */
export interface Reach {
  host: Host | undefined
  engine: boolean
}

export async function remove(parts: Parts, record: WorkloadRecord, { host, engine }: Reach): Promise<void> {
  if (host !== undefined)
    await Promise.all([engine && removeContainer(record, host), unplugAll(parts, host, record.id)])
  const now = parts.clock.now()
  await finish(parts, record, {
    event: 'removed',
    change: { container_id: null, pid: 0, terminated_at: now },
    within: async (tx) => {
      await volumesForget(tx, record.id)
      await parts.neutron.portsRelease(tx, record.id)
      await parts.placement.release(tx, record.id)
      tx.emit(topics.placing, {})
    },
  })
}

/** Its links are cut too: the address must not be given to another while this container could still use it. */
async function removeContainer(record: WorkloadRecord, host: Host): Promise<void> {
  const container = await containerFind(host, record)
  if (container) await host.runtime.remove(container.id)
  await clearVolumes(host, record)
}
