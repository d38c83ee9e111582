/** Does on the hosts what was ordered: build, start, stop, freeze, resize, delete; one workload, one step. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { hostFetch } from '../store/hosts.ts'
import { workloadFetch, workloadsToRun } from '../store/workloads.ts'
import type { Work, WorkloadRecord } from '../store/workloads.ts'
import { giveBackPlace } from '../manager/builder.ts'
import type { Builder } from '../manager/builder.ts'
import { carryOut } from '../manager/orders.ts'
import { requireHost } from '../manager/parts.ts'
import type { Parts } from '../manager/parts.ts'
import { topics } from '../manager/records.ts'
import { remove } from '../manager/removal.ts'
import type { Reach } from '../manager/removal.ts'
import type { Turns } from '../manager/turns.ts'

/** Of workloads, over all hosts: image loads and slow stops wait here, engines are spared by their own limit. */
const atOnce = 32

export function runController(parts: Parts, builder: Builder, turns: Turns): Controller<Work[], Work> {
  return defineController<Work[], Work>({
    name: 'workloads.run',
    about: 'Makes each container on its host what its owner ordered',
    wakesOn: [topics.work, topics.hosts],
    everySeconds: 20,
    perPass: 200,
    concurrency: atOnce,
    observe: (limit) => workloadsToRun(parts.db, limit),
    plan: (steps) => steps,
    // A new order is a new key, and so is a host that came back: neither waits for the back-off of what failed before.
    key: ({ id, generation, hostSince }) => `${id}:${generation}:${hostSince}`,
    act: ({ id }) =>
      turns.run(id, async () => {
        const record = await workloadFetch(parts.db, id)
        if (record?.todo) await act(parts, builder, record)
      }),
  })
}

async function act(parts: Parts, builder: Builder, record: WorkloadRecord): Promise<void> {
  if (record.state === 'deleting') return await remove(parts, record, await reachOf(parts, record))
  if (record.state === 'scheduling') return
  if (record.state === 'building' && (await isLost(parts, record))) return await giveBackPlace(parts, record)
  const host = requireHost(parts.hosts, record.hostName)
  if (record.state === 'building') await builder.build(record, host)
  else await carryOut(parts, builder, record, host)
}

/**
 * A host that is known to be down cannot be cleared now: the books are closed without it, and what it still
 * holds is reaped when it returns. A host that only fails to answer is asked again.
 */
async function reachOf(parts: Parts, { hostName }: WorkloadRecord): Promise<Reach> {
  if (hostName === null) return { host: undefined, engine: false }
  if ((await hostFetch(parts.db, hostName))?.up === 1) return { host: requireHost(parts.hosts, hostName), engine: true }
  const host = parts.hosts.find(hostName)
  const engine = (await host?.runtime.ping().catch(() => false)) ?? false
  return { host, engine }
}

/** Its host is gone from the directory before it ever ran there. */
async function isLost(parts: Parts, { hostName, launchedAt }: WorkloadRecord): Promise<boolean> {
  if (launchedAt !== null || hostName === null || parts.hosts.find(hostName) !== undefined) return false
  return (await hostFetch(parts.db, hostName))?.up !== 1
}
