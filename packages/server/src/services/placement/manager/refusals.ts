/** The refusals that Placement's clients tell apart by their code. */
import { conflict } from '#platform/errors/errors.ts'

const concurrentUpdate = 'placement.concurrent_update'

export const generationConflict = () =>
  conflict("Resource provider's generation already changed. Please update the generation and try again.", {
    code: concurrentUpdate,
  })
export const consumerConflict = (expected: number | null, got: number | null) =>
  conflict(`consumer generation conflict - expected ${expected} but got ${got}`, { code: concurrentUpdate })
export const nameTaken = (what: string) =>
  conflict(`Conflicting resource provider ${what} already exists.`, { code: 'placement.duplicate_name' })
export const inventoryInUse = (providerId: string, resourceClasses: string[]) =>
  conflict(`Inventory for '${resourceClasses.join(', ')}' on resource provider '${providerId}' in use.`, {
    code: 'placement.inventory.inuse',
  })
