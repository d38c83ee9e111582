/** The parts that Nova's request bodies are made of. */
import { canonicalAddress } from '#engines/cidr/address.ts'
import { T } from '#platform/api-kit/schema.ts'
import type { TSchema } from '#platform/api-kit/schema.ts'

type TSchemaOptions = Parameters<typeof T.Union>[1]

const printable = '(?:[^\\p{C}\\p{Z}]|\\p{Zs})'

/** Printable, and neither led nor followed by white space. */
export const Name = (options: object = {}) =>
  T.String({ minLength: 1, maxLength: 255, pattern: `^(?!\\p{Zs})${printable}*(?<!\\p{Zs})$`, ...options })

export const Description = (options: TSchemaOptions = {}) =>
  T.Union([T.String({ maxLength: 255, pattern: `^${printable}*$` }), T.Null()], options)

export const Uuid = (options: object = {}) => T.String({ format: 'uuid', ...options })
export const Base64 = (options: object = {}) => T.String({ pattern: '^[A-Za-z0-9+/=\\s]*$', ...options })

/** Whole numbers, which clients may send as text. */
export const Whole = (minimum: number, maximum = 2_147_483_647, options: TSchemaOptions = {}) =>
  T.Union([T.Integer({ minimum, maximum }), T.String({ pattern: '^[0-9]+$', maxLength: 10 })], options)

const bools = [
  'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'False', 'FALSE', 'false', '0', 'OFF', 'Off',
  'off', 'NO', 'No', 'no',
]
export const Bool = (options: TSchemaOptions = {}) =>
  T.Union([T.Boolean(), T.Unsafe<string>({ type: 'string', enum: bools })], options)

export const Metadata = (options: object = {}) => T.Unsafe<Record<string, string>>({
  type: 'object', patternProperties: { '^[a-zA-Z0-9\\-_:. ]{1,255}$': { type: 'string', maxLength: 255 } },
  additionalProperties: false, ...options,
})

export const Tag = (options: object = {}) => T.String({ minLength: 1, maxLength: 60, pattern: '^[^,/]*$', ...options })
export const DiskConfig = (options: object = {}) =>
  T.Unsafe<'AUTO' | 'MANUAL'>({ type: 'string', enum: ['AUTO', 'MANUAL'], ...options })
export const IpV4 = (options: object = {}) => T.String({ format: 'ipv4', ...options })
export const IpV6 = (options: object = {}) => T.String({ format: 'ipv6', ...options })
export const Ip = (options: object = {}) =>
  T.Unsafe<string>({ type: 'string', anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }], ...options })
export const HostName = (options: object = {}) =>
  T.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9\\-._]*$', ...options })
/** Values that an action's key may carry and that say nothing: `{"os-start": null}`. */
export const Anything: TSchema = T.Unknown()

export const wholeOf = (value: number | string): number => Number(value)

/** Addresses are kept and shown in their canonical form, whichever way they were written. */
export const canonical = (address: string | undefined): string | undefined =>
  address === undefined ? undefined : canonicalAddress(address) ?? address
