/** Allocations as the API writes them: whole consumers, in one transaction, guarded by their generations. */
import type { Database, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import {
  allocationsInsert,
  allocationsOf,
  allocationsOfProvider,
  charge,
  consumerDelete,
  consumerFetch,
  consumerWrite,
  generationsBump,
  uncharge,
  usageOfOwner,
} from '../store/claims.ts'
import type { Shortage, Take } from '../store/claims.ts'
import { providersList } from '../store/providers.ts'
import { assertClassesKnown } from './names.ts'
import { consumerConflict } from './refusals.ts'
import { requireProvider } from './views.ts'

export interface ConsumerWrite {
  consumerId: string
  /** Provider → what is taken there. Empty: everything is given back. */
  allocations: Record<string, { resources: Record<string, number> }>
  projectId: string
  userId: string
  type: string
  /** Undefined: not asked; null: the consumer must be new. */
  generation?: number | null
  mappings?: Record<string, string[]>
}

export async function allocationsReplace(db: Database, writes: ConsumerWrite[]): Promise<void> {
  const providerIds = [...new Set(writes.flatMap(({ allocations }) => Object.keys(allocations)))]
  const known = new Set((await providersList(db, providerIds)).map(({ id }) => id))
  const unknown = providerIds.find((id) => !known.has(id))
  if (unknown) throw badRequest(`Allocation for resource provider '${unknown}' that does not exist.`)
  const classes = writes.flatMap(({ allocations }) =>
    Object.values(allocations).flatMap(({ resources }) => Object.keys(resources)),
  )
  await assertClassesKnown(db, classes, 'Unable to allocate inventory: ')
  await db.transaction(async (tx) => {
    const touched = new Set<string>()
    // All is given back before anything is taken, so that a move between consumers fits.
    for (const write of writes) for (const id of await giveBack(tx, write)) touched.add(id)
    for (const write of writes) for (const id of await take(tx, write)) touched.add(id)
    await generationsBump(tx, [...touched].sort())
  })
}

async function giveBack(tx: Tx, { consumerId, generation }: ConsumerWrite): Promise<string[]> {
  const consumer = await consumerFetch(tx, consumerId)
  if (generation !== undefined && (consumer?.generation ?? null) !== generation)
    throw consumerConflict(consumer?.generation ?? null, generation)
  return (await uncharge(tx, consumerId)).map((row) => row.provider_id)
}

async function take(tx: Tx, write: ConsumerWrite): Promise<string[]> {
  const takes = takesOf(write)
  if (takes.length === 0) {
    await consumerDelete(tx, write.consumerId)
    return []
  }
  const shortage = await charge(tx, takes)
  if (shortage) throw refusalOf(shortage)
  const consumer = await consumerFetch(tx, write.consumerId)
  await consumerWrite(tx, {
    id: write.consumerId,
    project_id: write.projectId,
    user_id: write.userId,
    type: write.type,
    generation: (consumer?.generation ?? 0) + 1,
    mappings: toJson(write.mappings ?? {}),
  })
  await allocationsInsert(tx, write.consumerId, takes)
  return takes.map(({ providerId }) => providerId)
}

const takesOf = ({ allocations }: ConsumerWrite): Take[] =>
  Object.entries(allocations).flatMap(([providerId, { resources }]) =>
    Object.entries(resources).map(([resourceClass, amount]) => ({ providerId, resourceClass, amount })),
  )

function refusalOf({ take: { providerId, resourceClass, amount }, inventory }: Shortage) {
  if (inventory === undefined) {
    return conflict(
      `Unable to allocate inventory: Inventory for '${resourceClass}' on resource provider '${providerId}' invalid.`,
    )
  }
  const { used, capacity, min_unit: least, max_unit: most, step_size: step } = inventory
  const reason =
    used + amount > capacity
      ? `The requested amount would exceed the capacity (used ${used}, capacity ${capacity}, asked ${amount}).`
      : 'The requested amount would violate inventory constraints ' +
        `(min_unit ${least}, max_unit ${most}, step_size ${step}, asked ${amount}).`
  const what = `Unable to create allocation for '${resourceClass}' on resource provider '${providerId}'.`
  return conflict(`Unable to allocate inventory: ${what} ${reason}`)
}

export interface ConsumerView {
  allocations: Record<string, { generation: number; resources: Record<string, number> }>
  consumer?: { projectId: string; userId: string; generation: number; type: string; mappings: Record<string, string[]> }
}

export async function consumerShow(db: Database, consumerId: string): Promise<ConsumerView> {
  const [rows, consumer] = await Promise.all([allocationsOf(db, consumerId), consumerFetch(db, consumerId)])
  const providers = new Map(
    (await providersList(db, [...new Set(rows.map((row) => row.provider_id))])).map((row) => [row.id, row.generation]),
  )
  const allocations: ConsumerView['allocations'] = {}
  for (const row of rows) {
    const one = (allocations[row.provider_id] ??= { generation: providers.get(row.provider_id) ?? 0, resources: {} })
    one.resources[row.resource_class] = row.amount
  }
  if (consumer === undefined || rows.length === 0) return { allocations }
  const { project_id: projectId, user_id: userId, generation, type, mappings } = consumer
  return { allocations, consumer: { projectId, userId, generation, type, mappings: fromJson(mappings) } }
}

export async function allocationsDelete(db: Database, consumerId: string): Promise<void> {
  await db.transaction(async (tx) => {
    const held = await uncharge(tx, consumerId)
    if (held.length === 0) throw notFound(`No allocations for consumer '${consumerId}'`)
    await consumerDelete(tx, consumerId)
    await generationsBump(tx, [...new Set(held.map((row) => row.provider_id))].sort())
  })
}

export interface ProviderAllocations {
  generation: number
  consumers: Record<string, { resources: Record<string, number>; generation: number }>
}

export async function providerAllocations(db: Database, providerId: string): Promise<ProviderAllocations> {
  const { generation } = await requireProvider(db, providerId)
  const consumers: ProviderAllocations['consumers'] = {}
  for (const row of await allocationsOfProvider(db, providerId)) {
    const one = (consumers[row.consumer_id] ??= { resources: {}, generation: row.generation })
    one.resources[row.resource_class] = row.amount
  }
  return { generation, consumers }
}

/** Consumer type → how many, and what they use. */
export type Usage = Record<string, { consumers: number; resources: Record<string, number> }>

export async function usageTotal(db: Database, owner: { projectId: string; userId?: string }): Promise<Usage> {
  const usage: Usage = {}
  const seen = new Map<string, Set<string>>()
  for (const row of await usageOfOwner(db, owner)) {
    const one = (usage[row.type] ??= { consumers: 0, resources: {} })
    one.resources[row.resource_class] = (one.resources[row.resource_class] ?? 0) + row.amount
    const ids = seen.get(row.type) ?? new Set<string>()
    seen.set(row.type, ids.add(row.consumer_id))
    one.consumers = ids.size
  }
  return usage
}
