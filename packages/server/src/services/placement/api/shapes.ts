/** Shapes that several of Placement's resources share. */
import { Nullable, Strict, T, since } from '#platform/api-kit/schema.ts'

export const uuidPattern = '^[0-9a-fA-F-]{36}$'
export const Uuid = (options: object = {}) => T.String({ format: 'uuid', ...options })
export const className = '^[A-Z0-9_]+$'
/** A key of a map: one pattern, nothing else. */
export const MapOf = <S extends Parameters<typeof T.Record>[1]>(pattern: string, schema: S, options: object = {}) =>
  T.Record(T.String({ pattern }), schema, { additionalProperties: false, ...options })

export const Amounts = MapOf(className, T.Integer({ minimum: 1 }), { minProperties: 1 })
export const Generation = T.Integer()
const int32 = { maximum: 0x7fffffff }

export const inventoryFields = {
  resource_provider_generation: T.Optional(Generation),
  total: T.Integer({ minimum: 1, ...int32 }),
  reserved: T.Optional(T.Integer({ minimum: 0, ...int32 })),
  min_unit: T.Optional(T.Integer({ minimum: 1, ...int32 })),
  max_unit: T.Optional(T.Integer({ minimum: 1, ...int32 })),
  step_size: T.Optional(T.Integer({ minimum: 1, ...int32 })),
  allocation_ratio: T.Optional(T.Number({ exclusiveMinimum: 0, maximum: 3.40282e38 })),
}

export const ProviderReply = T.Object({
  uuid: T.String(),
  name: T.String(),
  generation: Generation,
  parent_provider_uuid: Nullable(T.String(), since('1.14')),
  root_provider_uuid: T.String(since('1.14')),
  links: T.Array(T.Object({ rel: T.String(), href: T.String() })),
})

export const InventoryReply = T.Object({
  total: T.Integer(),
  reserved: T.Integer(),
  min_unit: T.Integer(),
  max_unit: T.Integer(),
  step_size: T.Integer(),
  allocation_ratio: T.Number(),
})

const consumerFields = {
  project_id: T.String({ minLength: 1, maxLength: 255 }),
  user_id: T.String({ minLength: 1, maxLength: 255 }),
  consumer_generation: T.Optional(Nullable(T.Integer(), { 'x-since': '1.28', 'x-required-since': '1.28' })),
  mappings: T.Optional(
    MapOf('^[a-zA-Z0-9_-]{0,64}$', T.Array(Uuid(), { minItems: 1 }), { minProperties: 1, ...since('1.34') }),
  ),
  consumer_type: T.Optional(
    T.String({ pattern: className, minLength: 1, maxLength: 255, 'x-since': '1.38', 'x-required-since': '1.38' }),
  ),
}

const allocationsMap = (options: object) =>
  MapOf(uuidPattern, Strict({ generation: T.Optional(T.Integer()), resources: Amounts }), options)
const AllocationList = T.Array(Strict({ resource_provider: Strict({ uuid: Uuid() }), resources: Amounts }), {
  minItems: 1,
})

/** One consumer's allocations, as `POST /allocations` takes many of; an empty map gives everything back. */
export const ConsumerBody = Strict({ allocations: allocationsMap({}), ...consumerFields })

/** A list until 1.11, a map since 1.12, which may be empty since 1.28. Owners since 1.8. */
export const AllocationsBody = Strict({
  allocations: T.Union([
    T.Intersect([AllocationList], { 'x-until': '1.11' }),
    T.Intersect([allocationsMap({ minProperties: 1 })], { 'x-since': '1.12', 'x-until': '1.27' }),
    T.Intersect([allocationsMap({})], { 'x-since': '1.28' }),
  ]),
  ...consumerFields,
  project_id: T.Optional(T.String({ minLength: 1, maxLength: 255, 'x-since': '1.8', 'x-required-since': '1.8' })),
  user_id: T.Optional(T.String({ minLength: 1, maxLength: 255, 'x-since': '1.8', 'x-required-since': '1.8' })),
})
