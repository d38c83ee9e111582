/** Claims as the other services ask for them: all or nothing, in the transaction of the row they are for. */
import type { Tx } from '#platform/db/database.ts'
import { conflict } from '#platform/errors/errors.ts'
import type { PlacementFacade } from '../facade.ts'
import {
  allocationsInsert,
  allocationsOf,
  charge,
  consumerDelete,
  consumerFetch,
  consumerWrite,
  generationsBump,
  uncharge,
} from '../store/claims.ts'
import type { Shortage, Take } from '../store/claims.ts'
import type { AllocationRow } from '../store/tables.ts'

type Claim = Parameters<PlacementFacade['claim']>[1]

export async function claim(tx: Tx, { consumerId, providerId, resources, projectId, userId }: Claim): Promise<void> {
  const takes = takesOf(providerId, resources)
  const held = await allocationsOf(tx, consumerId)
  if (isSame(held, takes)) return
  if (held.length > 0) await uncharge(tx, consumerId)
  const shortage = await charge(tx, takes)
  if (shortage) throw noCapacity(shortage)
  const known = await consumerFetch(tx, consumerId)
  await consumerWrite(tx, {
    id: consumerId,
    project_id: projectId,
    user_id: userId,
    type: 'INSTANCE',
    generation: (known?.generation ?? 0) + 1,
    mappings: '{}',
  })
  await allocationsInsert(tx, consumerId, takes)
  await generationsBump(tx, [...new Set([providerId, ...held.map((row) => row.provider_id)])].sort())
}

export async function release(tx: Tx, consumerId: string): Promise<void> {
  const held = await uncharge(tx, consumerId)
  await consumerDelete(tx, consumerId)
  await generationsBump(tx, [...new Set(held.map((row) => row.provider_id))].sort())
}

const takesOf = (providerId: string, resources: Record<string, number>): Take[] =>
  Object.entries(resources)
    .filter(([, amount]) => amount > 0)
    .map(([resourceClass, amount]) => ({ providerId, resourceClass, amount }))

const isSame = (held: AllocationRow[], takes: Take[]): boolean =>
  held.length === takes.length &&
  takes.every((take) =>
    held.some(
      (row) =>
        row.provider_id === take.providerId && row.resource_class === take.resourceClass && row.amount === take.amount,
    ),
  )

function noCapacity({ take, inventory }: Shortage) {
  const free = inventory === undefined ? 0 : Math.max(0, inventory.capacity - inventory.used)
  const why =
    inventory === undefined
      ? 'it offers none'
      : `${free} of ${inventory.capacity} are free, at most ${inventory.max_unit} at once`
  return conflict(`Provider ${take.providerId} cannot hold ${take.amount} ${take.resourceClass}: ${why}`, {
    reason: 'no-capacity',
    resource: take.resourceClass,
    asked: take.amount,
    used: inventory?.used,
    limit: inventory?.capacity,
  })
}
