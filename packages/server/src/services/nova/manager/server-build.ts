/** Making a server: its ports and its container's workload, in the transaction that counted it, now or after a wait. */
import type { Tx } from '#platform/db/database.ts'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import type { WorkloadSpec } from '#services/workloads/facade.ts'
import type { BuildPlan, PortPlan, Server, ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'
import { diskAskOf } from './quota-words.ts'
import { portOf } from './requested-networks.ts'
import { writeVolumes } from './volume-plans.ts'
import { workloadSpec } from './workload-spec.ts'

export interface BuildInputs {
  server: Server
  image: ImageInfo
  group?: ServerGroup
  plan: BuildPlan
}

type Facades = Pick<NovaParts, 'facades' | 'clock'>

/** Returns the workload's generation that ends the build. Idempotent by the server's id. */
export const buildServer = async (
  parts: Facades,
  tx: Tx,
  { server, image, group, plan }: BuildInputs,
): Promise<number> => {
  await writePorts(parts, tx, server, plan.ports)
  const spec = specOf({ server, image, group, plan })
  const workload = await parts.facades.workloads.ensure(tx, {
    id: server.id,
    ownerService: 'nova',
    projectId: server.projectId,
    userId: server.userId,
    name: server.name,
    spec,
  })
  await writeVolumes(parts, tx, server, plan.volumes ?? [])
  await takeDisk(parts, tx, server)
  return workload.generation
}

/** Last: disk that nobody limits is counted at the root, where everybody else of the tree has to wait meanwhile. */
const takeDisk = async ({ facades }: Facades, tx: Tx, server: Server): Promise<void> => {
  const ask = diskAskOf(server)
  if (ask.deltas.disk! > 0) await facades.quota.reserve(tx, ask)
}

export const specOf = ({ server, image, group, plan }: BuildInputs): WorkloadSpec =>
  workloadSpec({
    server,
    image,
    group,
    forcedHost: plan.forcedHost,
    personality: plan.personality,
    networked: plan.ports.length > 0,
    referred: new Map(Object.entries(plan.referred)),
  })

/** Makes or adopts the planned ports; one that is this server's already stays as it is. */
export const writePorts = async ({ facades }: Facades, tx: Tx, server: Server, plans: PortPlan[]): Promise<void> => {
  for (const plan of plans) {
    try {
      await facades.neutron.portEnsure(tx, portOf(plan, server))
    } catch (error) {
      if (!isRefusal(error) || error.kind !== 'conflict' || !plan.fixedIp) throw error
      throw badRequest(
        `Fixed IP address ${plan.fixedIp} is already in use on instance: ${error.message}`,
        error.details,
        error,
      )
    }
  }
}
