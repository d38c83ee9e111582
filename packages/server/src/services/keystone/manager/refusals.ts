/** The refusals that many of Keystone's managers share, worded as its clients know them. */
import { isUniqueViolation } from '#platform/db/db-errors.ts'
import { badRequest, conflict, forbidden, notFound, unauthorized, type Refusal } from '#platform/errors/errors.ts'
import type { Extra } from '../store/tables.ts'

export const missing = (kind: string, id: string): Refusal => notFound(
  `Could not find ${kind}: ${id}.`, { resource: kind },
)

/** Returns what was found, or throws that it was not. */
export const found = <T>(thing: T | undefined, kind: string, id: string): T => {
  if (thing === undefined) throw missing(kind, id)
  return thing
}

export const taken = (kind: string, details: string): Refusal =>
  conflict(`Conflict occurred attempting to store ${kind} - ${details}.`, { resource: kind })

/** Turns a broken unique key into a conflict that says what is taken. */
export const unlessTaken = async <T>(kind: string, details: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (isUniqueViolation(error)) throw taken(kind, details)
    throw error
  }
}

/** Every failed authentication looks the same, so that nobody learns which part was wrong. */
export const notAuthenticated = (): Refusal => unauthorized('The request you have made requires authentication.')

export const invalid = (message: string, field?: string): Refusal =>
  badRequest(message, field === undefined ? {} : { field })

/** An immutable thing changes only in the request that ends its immutability. */
export const refuseImmutableUpdate = (
  thing: { id: string; options: Extra }, changes: { options?: Extra }, kind: string,
): void => {
  if (thing.options.immutable !== true) return
  if (changes.options && changes.options.immutable !== true && 'immutable' in changes.options) return
  throw forbidden(
    `Unable to update immutable ${kind} resource: \`${thing.id}. Set resource option "immutable" to false first.`
  )
}

export const refuseImmutableDelete = (thing: { id: string; options: Extra }, kind: string): void => {
  if (thing.options.immutable !== true) return
  throw forbidden(
    `Unable to delete immutable ${kind} resource: \`${thing.id}. Set resource option "immutable" to false first.`
  )
}

/** `null` removes an option, anything else sets it. */
export const mergedOptions = (before: Extra, changes: Extra | undefined): Extra =>
  Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null))
