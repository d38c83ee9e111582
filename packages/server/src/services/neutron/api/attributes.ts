/** Attributes of Neutron's resources as values: what each accepts, defaults to, stores, shows and filters by. */
import { badRequest } from '#platform/errors/errors.ts'
import { isAddress } from '#engines/cidr/address.ts'
import { isMac } from '#engines/cidr/mac.ts'
import { parsePrefix } from '#engines/cidr/prefix.ts'
import { isUuid } from '#platform/ids/ids.ts'
import { Flag, isTrue, Nullable, T, type TSchema } from '#platform/api-kit/schema.ts'
import { invalidAttribute } from '../manager/refusals.ts'

export interface AttributeType {
  /** What the door lets through. */
  schema: TSchema
  /** Says what is wrong with a value that passed the door. */
  problem?(value: any): string | undefined
  /** Turns what clients send into what is stored. */
  read?(value: any): unknown
  /** Reads a filter's text; absent: lists are not filtered by it. */
  filter?(text: string): string | number
  /** Database order makes sense. */
  sorts?: boolean
}

export interface Attribute {
  type: AttributeType
  /** The record's field, when it is not the attribute's own name. */
  field?: string
  post?: boolean
  put?: boolean
  required?: boolean
  /** Policy rules beyond the resource's own: for setting it, for seeing it. */
  setRule?: boolean
  showRule?: boolean
}

export type Attributes = Readonly<Record<string, Attribute>>

/** PostgreSQL's text holds no NUL, and nobody means one. */
const clean = (value: unknown): string | undefined =>
  JSON.stringify(value)?.includes('\\u0000') ? 'text must not contain NUL characters' : undefined
const sameText = (text: string): string => text

export const text = (max = 255, pattern?: RegExp): AttributeType => ({
  schema: T.String({ maxLength: max }),
  sorts: true,
  filter: sameText,
  problem: (value) => clean(value) ?? (pattern && !pattern.test(value) ? `'${value}' is not valid` : undefined),
})
export const optional = (type: AttributeType): AttributeType => ({
  ...type,
  sorts: false,
  schema: Nullable(type.schema),
  problem: (value) => (value === null ? undefined : type.problem?.(value)),
  read: (value) => (value === null ? null : type.read ? type.read(value) : value),
})
/** Null means the empty text. */
export const textOrNull = (max = 255): AttributeType => ({
  ...text(max),
  schema: Nullable(T.String({ maxLength: max })),
  read: (value) => value ?? '',
})

export const flag: AttributeType = {
  schema: Flag(),
  sorts: true,
  read: isTrue,
  filter: (value) => (isTrue(value) ? 1 : 0),
}
export const integer = (minimum: number, maximum: number): AttributeType => ({
  schema: T.Union([T.Integer({ minimum, maximum }), T.String({ pattern: '^-?\\d{1,12}$' })]),
  sorts: true,
  read: Number,
  problem: (value) =>
    Number(value) < minimum || Number(value) > maximum
      ? `'${value}' is not between ${minimum} and ${maximum}`
      : undefined,
  filter: (value) => {
    if (!/^-?\d{1,12}$/.test(value)) throw invalidAttribute('filter', `'${value}' is not an integer`)
    return Number(value)
  },
})
export const uuidType: AttributeType = {
  schema: T.String({ maxLength: 64 }),
  sorts: true,
  filter: sameText,
  problem: (value) => (isUuid(value) ? undefined : `'${value}' is not a valid UUID`),
}
/** Ids of projects and devices are free text of others. */
export const foreignId: AttributeType = text(255)
export const choice = (...values: string[]): AttributeType => ({
  schema: T.String(),
  sorts: true,
  filter: sameText,
  problem: (value) => (values.includes(value) ? undefined : `'${value}' is not in ${JSON.stringify(values)}`),
})
export const address: AttributeType = {
  schema: T.String({ maxLength: 64 }),
  sorts: true,
  filter: sameText,
  problem: (value) => (isAddress(value) ? undefined : `'${value}' is not a valid IP address`),
}
export const mac: AttributeType = {
  schema: T.String({ maxLength: 17 }),
  sorts: true,
  filter: (value) => value.toLowerCase(),
  read: (value) => value.toLowerCase(),
  problem: (value) => (isMac(value) ? undefined : `'${value}' is not a valid MAC address`),
}
export const cidr: AttributeType = {
  schema: T.String({ maxLength: 64 }),
  sorts: true,
  filter: sameText,
  problem: (value) => (parsePrefix(value) ? undefined : `'${value}' is not a valid IP subnet`),
}
export const structure = (
  schema: TSchema,
  problem?: (value: any) => string | undefined,
  read?: (value: any) => unknown,
): AttributeType => ({ schema, problem: (value) => clean(value) ?? problem?.(value), read })
export const timestamp: AttributeType = { schema: T.String(), sorts: true }

/** Attributes that every resource shows. */
export const standardAttributes = {
  id: { type: uuidType },
  tenant_id: { type: foreignId, field: 'project_id', post: true },
  project_id: { type: foreignId, post: true },
  description: { type: textOrNull(), post: true, put: true },
  created_at: { type: timestamp },
  updated_at: { type: timestamp },
  revision_number: { type: integer(0, 2 ** 31) },
} satisfies Attributes

export const taggable = { tags: { type: structure(T.Array(T.String())) } } satisfies Attributes

/** The body's one object into record fields: unknown and unsettable names, missing and wrong values are refused. */
export const readAttributes = (
  attributes: Attributes,
  given: Record<string, unknown>,
  mode: 'post' | 'put',
): Record<string, unknown> => {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(attributes, name))
  if (unknown.length > 0)
    throw badRequest(`Unrecognized attribute(s) '${unknown.join(', ')}'`, {
      type: 'HTTPBadRequest',
      field: unknown[0],
    })
  const fixed = Object.keys(given).find((name) => !attributes[name]![mode])
  if (fixed !== undefined) {
    throw badRequest(
      mode === 'put' ? `Cannot update read-only attribute ${fixed}` : `Attribute '${fixed}' not allowed in POST`,
      { type: 'HTTPBadRequest', field: fixed },
    )
  }
  if (mode === 'post') assertRequired(attributes, given)
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      attributes[name]!.field ?? name,
      readOne(name, attributes[name]!.type, value),
    ]),
  )
}

const assertRequired = (attributes: Attributes, given: Record<string, unknown>): void => {
  const lacking = Object.entries(attributes).find(([name, { required }]) => required && given[name] === undefined)
  if (lacking)
    throw badRequest(`Failed to parse request. Required attribute '${lacking[0]}' not specified`, {
      type: 'HTTPBadRequest',
      field: lacking[0],
    })
}

const readOne = (name: string, type: AttributeType, value: unknown): unknown => {
  const problem = type.problem?.(value)
  if (problem) throw invalidAttribute(name, problem)
  return type.read ? type.read(value) : value
}

/** The door's schema of one object: types here, names in `readAttributes`, whose words clients know. */
export const bodyObject = (attributes: Attributes, mode: 'post' | 'put'): TSchema =>
  T.Object(
    Object.fromEntries(
      Object.entries(attributes)
        .filter(([, attribute]) => attribute[mode])
        .map(([name, { type }]) => [name, T.Optional(type.schema)]),
    ),
  )
