/** Gives each waiting workload a host and claims its place there, in one transaction. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import type { Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { hostsList, imagesKnown } from '../store/hosts.ts'
import { groupMembers, hostsOfWorkloads, workloadMove, workloadsToPlace } from '../store/workloads.ts'
import type { Parts } from '../manager/parts.ts'
import { decide, neighboursOf } from '../manager/placing.ts'
import type { Decision, PlacingWorld } from '../manager/placing.ts'
import { topics } from '../manager/records.ts'

/** One step places the whole batch: what one takes, the next cannot have. */
export type PlaceStep = Decision[]

export function placeController(parts: Parts): Controller<PlacingWorld, PlaceStep> {
  return defineController<PlacingWorld, PlaceStep>({
    name: 'workloads.place',
    about: 'Finds a host for each new workload and claims its place there',
    wakesOn: [topics.placing, topics.hosts],
    everySeconds: 30,
    perPass: 500,
    observe: (limit) => look(parts, limit),
    plan: (world) => (world.waiting.length === 0 ? [] : [decide(world)]),
    key: () => 'batch',
    act: (decisions) => write(parts, decisions),
  })
}

async function look(parts: Parts, limit: number): Promise<PlacingWorld> {
  const { db, placement, clock } = parts
  const now = clock.now()
  const waiting = await workloadsToPlace(db, limit)
  if (waiting.length === 0)
    return { waiting, hosts: [], providers: [], images: [], groups: new Map(), neighbours: new Map(), now }
  const groupIds = waiting.flatMap(({ spec }) => spec.scheduling.group?.id ?? [])
  const [hosts, providers, images, groups, neighbours] = await Promise.all([
    hostsList(db),
    placement.providers(),
    imagesKnown(db, [...new Set(waiting.map(({ spec }) => spec.imageId))]),
    groupMembers(db, [...new Set(groupIds)]),
    hostsOfWorkloads(db, [...new Set(waiting.flatMap(neighboursOf))]),
  ])
  return { waiting, hosts, providers, images, groups, neighbours, now }
}

/**
 * All in one transaction, unless another process took a place meanwhile: then one by one, and those that
 * lost are looked at again with the world as it is by then.
 */
async function write(parts: Parts, decisions: Decision[]): Promise<void> {
  try {
    await parts.db.transaction(async (tx) => {
      for (const decision of decisions) await writeOne(parts, tx, decision)
    })
  } catch (error) {
    if (!isTaken(error)) throw error
    const lost = []
    for (const decision of decisions) {
      const taken = await parts.db
        .transaction((tx) => writeOne(parts, tx, decision))
        .then(
          () => undefined,
          (reason: unknown) => reason,
        )
      if (taken !== undefined) lost.push(taken)
    }
    if (lost.length > 0) throw lost[0]
  }
}

const isTaken = (error: unknown): boolean => isRefusal(error) && error.details.reason === 'no-capacity'

async function writeOne(parts: Parts, tx: Tx, decision: Decision): Promise<void> {
  const { id, generation, record } = decision
  const now = parts.clock.now()
  if ('fault' in decision) {
    const change = {
      step: null,
      fault: toJson(decision.fault),
      todo: 0,
      pending: null,
      done_generation: generation,
      updated_at: now,
    }
    if (await workloadMove(tx, id, { event: 'failed', generation, change })) tx.emit(topics.changed, { id })
    return
  }
  const change = { host_name: decision.hostName, step: 'networking', updated_at: now }
  if ((await workloadMove(tx, id, { event: 'placed', generation, change })) === undefined) return
  await parts.placement.claim(tx, {
    consumerId: id,
    providerId: decision.providerId,
    resources: decision.resources,
    projectId: record.projectId,
    userId: record.userId,
  })
  tx.emit(topics.work, { id })
}
