/** From rows to the scheduler's words and back: pure, so that a placement can be tested without a cloud. */
import type { HostSnapshot, PlacementRequest } from '#engines/scheduler/model.ts'
import { spread } from '#engines/scheduler/model.ts'
import { createPlacer } from '#engines/scheduler/placer.ts'
import type { ProviderView } from '#services/placement/facade.ts'
import { fromJson } from '#platform/db/json.ts'
import type { EngineInfo } from '../ports.ts'
import type { WorkloadHostRow, WorkloadImageRow } from '../store/tables.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { noCommand, noValidHost } from './faults.ts'
import type { Fault } from './faults.ts'
import { claimOf, hasOwnCommand, sharedNetworkOf } from './spec.ts'

export interface PlacingWorld {
  /** Oldest first. */
  waiting: WorkloadRecord[]
  hosts: WorkloadHostRow[]
  providers: ProviderView[]
  images: WorkloadImageRow[]
  /** Group → host → members. */
  groups: Map<string, Map<string, number>>
  /** Where the workloads named by hints are. */
  neighbours: Map<string, string>
  now: number
}

export type Decision =
  | {
      id: string
      generation: number
      hostName: string
      providerId: string
      resources: Record<string, number>
      record: WorkloadRecord
    }
  | { id: string; generation: number; fault: Fault; record: WorkloadRecord }

export function decide(world: PlacingWorld): Decision[] {
  const placer = createPlacer(snapshotsOf(world), { ...spread, imageLocality: 0.1 })
  const providerIds = new Map(world.hosts.map(({ name, id }) => [name, id]))
  const commandless = new Set(
    world.images.filter(({ has_command }) => has_command === 0).map(({ image_id }) => image_id),
  )
  return world.waiting.map((record): Decision => {
    const common = { id: record.id, generation: record.generation, record }
    if (commandless.has(record.spec.imageId) && !hasOwnCommand(record.spec)) {
      return { ...common, fault: noCommand(record.spec.imageId, world.now) }
    }
    const placement = placer.place(requestOf(record, world))
    if (placement.host === undefined) return { ...common, fault: noValidHost(placement, world.now) }
    return {
      ...common,
      hostName: placement.host,
      providerId: providerIds.get(placement.host)!,
      resources: claimOf(record.spec),
    }
  })
}

export function snapshotsOf({ hosts, providers, groups, images }: PlacingWorld): HostSnapshot[] {
  const views = new Map(providers.map((view) => [view.id, view]))
  return hosts.map((host) => {
    const view = views.get(host.id)
    return {
      name: host.name,
      up: host.up === 1,
      enabled: host.enabled === 1,
      disabledReason: host.disabled_reason,
      availabilityZone: host.availability_zone,
      architecture: fromJson<EngineInfo>(host.info).architecture,
      stock: Object.fromEntries(
        Object.entries(view?.inventories ?? {}).map(([name, inventory]) => [
          name,
          {
            capacity: Math.floor((inventory.total - inventory.reserved) * inventory.allocationRatio),
            minUnit: inventory.minUnit,
            maxUnit: inventory.maxUnit,
            stepSize: inventory.stepSize,
          },
        ]),
      ),
      used: view?.used ?? {},
      traits: new Set(view?.traits),
      groups: new Map(
        [...groups].flatMap(([group, members]) =>
          members.has(host.name) ? [[group, members.get(host.name)!] as const] : [],
        ),
      ),
      images: new Set(images.filter((image) => image.host_name === host.name).map((image) => image.image_id)),
    }
  })
}

export function requestOf(
  { spec }: WorkloadRecord,
  world: Pick<PlacingWorld, 'groups' | 'neighbours'>,
): PlacementRequest {
  const { scheduling } = spec
  const sameAs = [
    ...idsOf(scheduling.hints?.['same_host']),
    ...[sharedNetworkOf(spec)].filter((id) => id !== undefined),
  ]
  const hostsOf = (ids: string[]) => ids.flatMap((id) => world.neighbours.get(id) ?? [])
  return {
    resources: claimOf(spec),
    availabilityZone: scheduling.availabilityZone,
    host: scheduling.host,
    requiredTraits: scheduling.requiredTraits ?? [],
    forbiddenTraits: scheduling.forbiddenTraits ?? [],
    architecture: scheduling.properties?.['hw_architecture'] ?? scheduling.properties?.['architecture'],
    group: scheduling.group,
    groupPlaced: scheduling.group !== undefined && (world.groups.get(scheduling.group.id)?.size ?? 0) > 0,
    differentHosts: hostsOf(idsOf(scheduling.hints?.['different_host'])),
    ...(sameAs.length > 0 && { sameHosts: hostsOf(sameAs) }),
    imageId: spec.imageId,
  }
}

/** A hint is one id or a list of them. */
const idsOf = (hint: unknown): string[] => [hint].flat().filter((id) => typeof id === 'string')

/** The workloads whose hosts must be known to place this one. */
export function neighboursOf({ spec }: WorkloadRecord): string[] {
  const hints = spec.scheduling.hints ?? {}
  return [
    ...idsOf(hints['different_host']),
    ...idsOf(hints['same_host']),
    ...[sharedNetworkOf(spec)].filter((id) => id !== undefined),
  ]
}
