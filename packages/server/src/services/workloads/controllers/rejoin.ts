/** Restarts containers whose shared network was lost, because the container that owns it was started again. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Host } from '#services/deps.ts'
import type { WorkloadsFacade } from '../facade.ts'
import { containerFind } from '../manager/containers.ts'
import type { Parts } from '../manager/parts.ts'
import { topics } from '../manager/records.ts'
import { isStranded } from '../manager/shared-network.ts'
import { sharedNetworkOf } from '../manager/spec.ts'
import { workloadsFetch, workloadsSharing, type WorkloadRecord } from '../store/workloads.ts'

interface Pair {
  record: WorkloadRecord
  other: WorkloadRecord
}

export function rejoinController(parts: Parts, facade: Pick<WorkloadsFacade, 'order'>): Controller<Pair[], Pair> {
  /** Which processes were found together: nothing is asked of the engine while they are the same. */
  const together = new Map<string, string>()
  return defineController<Pair[], Pair>({
    name: 'workloads.rejoin',
    about: 'Restarts containers that share a network whose owner was started again, so that they are in it',
    wakesOn: [topics.changed],
    everySeconds: 30,
    perPass: 100,
    restMs: 1_000,
    observe: () => stranded(parts, together),
    plan: (pairs) => pairs,
    key: ({ record, other }) => `${record.id}:${record.generation}:${other.pid}`,
    async act({ record }) {
      try {
        await parts.db.transaction((tx) => facade.order(tx, record.id, { do: 'reboot', hard: true }))
      } catch (error) {
        // Its owner gave an order at this moment: the next look tells whether it is still stranded then.
        if (!isRefusal(error) || (error.kind !== 'conflict' && error.kind !== 'notFound')) throw error
      }
    },
  })
}

async function stranded(parts: Parts, together: Map<string, string>): Promise<Pair[]> {
  const pairs = await pairsOf(parts)
  const known = new Set(pairs.map(({ record }) => record.id))
  for (const id of together.keys()) if (!known.has(id)) together.delete(id)
  const found: Pair[] = []
  for (const pair of pairs) {
    const { record, other } = pair
    const processes = `${record.containerId} ${record.pid} ${other.containerId} ${other.pid}`
    const host = parts.hosts.find(record.hostName ?? '')
    if (host === undefined || together.get(record.id) === processes) continue
    if (await isPairStranded(host, pair)) found.push(pair)
    else together.set(record.id, processes)
  }
  return found
}

/** Both run, on one host, and nothing is under way with either. */
async function pairsOf({ db }: Parts): Promise<Pair[]> {
  const sharing = (await workloadsSharing(db)).filter(isCalm)
  const others = await workloadsFetch(db, [...new Set(sharing.flatMap(({ spec }) => sharedNetworkOf(spec) ?? []))])
  const byId = new Map(others.filter(isCalm).map((other) => [other.id, other]))
  return sharing.flatMap((record) => {
    const other = byId.get(sharedNetworkOf(record.spec) ?? '')
    return other?.hostName === record.hostName && other ? [{ record, other }] : []
  })
}

const isCalm = ({ state, todo }: WorkloadRecord): boolean => state === 'running' && !todo

async function isPairStranded(host: Host, { record, other }: Pair): Promise<boolean> {
  const [status, otherStatus] = [await containerFind(host, record), await containerFind(host, other)]
  if (status?.state !== 'running' || otherStatus?.state !== 'running') return false
  return isStranded(status, otherStatus)
}
