/** Traits and resource classes: the standard ones of the program and the custom ones of the cloud. */
import type { Database, Executor } from '#platform/db/database.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { nameDelete, nameEnsure, namesList, resourceClassUsed, traitUsed } from '../store/names.ts'
import {
  isCustomName,
  isStandardResourceClass,
  isStandardTrait,
  standardResourceClasses,
  standardTraits,
} from './standard-names.ts'

export const traitsAll = async (executor: Executor): Promise<string[]> => [
  ...standardTraits,
  ...(await namesList(executor, 'placement_trait')),
]
export const resourceClassesAll = async (executor: Executor): Promise<string[]> => [
  ...standardResourceClasses,
  ...(await namesList(executor, 'placement_resource_class')),
]

export async function assertTraitsKnown(executor: Executor, names: readonly string[]): Promise<void> {
  const known = new Set(await traitsAll(executor))
  const unknown = names.filter((name) => !known.has(name))
  if (unknown.length > 0) throw badRequest(`No such trait(s): ${unknown.join(', ')}.`)
}

export async function assertClassesKnown(executor: Executor, names: readonly string[], prefix: string): Promise<void> {
  const known = new Set(await resourceClassesAll(executor))
  const unknown = names.find((name) => !known.has(name))
  if (unknown !== undefined) throw badRequest(`${prefix}No such resource class ${unknown}.`)
}

/** True when it is new. */
export async function traitEnsure(db: Database, name: string): Promise<boolean> {
  if (isCustomName(name)) return await db.transaction((tx) => nameEnsure(tx, 'placement_trait', name))
  throw badRequest(
    'The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" ' +
      'and use following characters: "A"-"Z", "0"-"9" and "_"',
  )
}

export async function traitAssert(executor: Executor, name: string): Promise<void> {
  if (!(await traitsAll(executor)).includes(name)) throw notFound(`No such trait(s): ${name}.`)
}

export async function traitRemove(db: Database, name: string): Promise<void> {
  if (isStandardTrait(name)) throw badRequest(`Cannot delete standard trait ${name}.`)
  await db.transaction(async (tx) => {
    if (await traitUsed(tx, name)) throw conflict(`The trait ${name} is in use by a resource provider.`)
    if (!(await nameDelete(tx, 'placement_trait', name))) throw notFound(`No such trait(s): ${name}.`)
  })
}

export async function resourceClassEnsure(db: Database, name: string): Promise<boolean> {
  if (isCustomName(name)) return await db.transaction((tx) => nameEnsure(tx, 'placement_resource_class', name))
  throw badRequest(`JSON does not validate: '${name}' does not match '^CUSTOM_[A-Z0-9_]+$'`)
}

export async function resourceClassCreate(db: Database, name: string): Promise<void> {
  if (!(await resourceClassEnsure(db, name))) throw conflict(`Conflicting resource class already exists: ${name}`)
}

export async function resourceClassAssert(executor: Executor, name: string): Promise<void> {
  if (!(await resourceClassesAll(executor)).includes(name)) throw notFound(`No such resource class ${name}.`)
}

export async function resourceClassRename(db: Database, name: string, next: string): Promise<void> {
  if (isStandardResourceClass(name)) throw badRequest(`Cannot update standard resource class ${name}`)
  await resourceClassAssert(db, name)
  if (name === next) return
  await db.transaction(async (tx) => {
    if (await resourceClassUsed(tx, name))
      throw conflict(`Resource class ${name} is in use in inventory and cannot be renamed.`)
    if (!(await nameEnsure(tx, 'placement_resource_class', next)))
      throw conflict(`Resource class already exists: ${next}`)
    await nameDelete(tx, 'placement_resource_class', name)
  })
}

export async function resourceClassRemove(db: Database, name: string): Promise<void> {
  if (isStandardResourceClass(name))
    throw badRequest(`Error in delete resource class: Cannot delete standard resource class ${name}.`)
  await db.transaction(async (tx) => {
    if (await resourceClassUsed(tx, name)) {
      throw conflict(
        `Error in delete resource class: Cannot delete resource class ${name}. Class is in use in inventory.`,
      )
    }
    if (!(await nameDelete(tx, 'placement_resource_class', name))) throw notFound(`No such resource class ${name}.`)
  })
}
