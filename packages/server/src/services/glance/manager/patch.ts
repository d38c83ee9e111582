/** JSON Patch as Glance understands it: flat, with read-only, reserved and custom fields. */
import { badRequest, conflict, forbidden } from '#platform/errors/errors.ts'
import type { Image } from '../store/tables.ts'
import { checkField, readOnlyFields, reservedFields, writableFields } from './fields.ts'

export interface PatchOperation {
  op: 'add' | 'replace' | 'remove'
  path: string[]
  value?: unknown
}

/** The image after all operations, or a refusal of the first that cannot be. */
export const applyPatch = (image: Image, operations: PatchOperation[]): Image =>
  operations.reduce((current, operation) => applyOne(current, operation), image)

const applyOne = (image: Image, operation: PatchOperation): Image => {
  const [name = '', ...below] = operation.path
  if (readOnlyFields.has(name)) throw forbidden(`Attribute '${name}' is read-only.`)
  if (reservedFields.has(name)) throw forbidden(`Attribute '${name}' is reserved.`)
  if (below.length)
    throw badRequest(`Invalid JSON pointer for this resource: '/${operation.path.join('/')}'`, { field: 'path' })
  return name in writableFields ? setField(image, name, operation) : setProperty(image, name, operation)
}

const setField = (image: Image, name: string, { op, value }: PatchOperation): Image => {
  if (op === 'remove') throw forbidden(`Attribute '${name}' cannot be removed.`)
  checkField(name, value)
  const isFormat = name === 'container_format' || name === 'disk_format'
  if (isFormat && image.status !== 'queued')
    throw forbidden(`Attribute ${name} can be only replaced for a queued image.`)
  const result = name === 'tags' ? [...new Set(value as string[])] : value
  return { ...image, [writableFields[name]!]: result }
}

const setProperty = (image: Image, name: string, { op, value }: PatchOperation): Image => {
  const exists = Object.hasOwn(image.properties, name)
  if (op !== 'add' && !exists) throw conflict(`Property ${name} does not exist.`)
  const { [name]: _gone, ...rest } = image.properties
  if (op === 'remove') return { ...image, properties: rest }
  if (typeof value !== 'string') {
    throw badRequest(
      `Invalid input for field/attribute ${name}. Value: ${JSON.stringify(value)}. Custom properties are text`,
      { field: name },
    )
  }
  return { ...image, properties: { ...rest, [name]: value } }
}
