/** Pieces of request bodies that several routes share. */
import { Nullable, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'

export const opt = T.Optional
export const Id = T.String({ format: 'uuid' })
/** As the path has it; upstream takes any text and finds nothing. */
export const Name = Nullable(T.String({ maxLength: 255 }))
export const Description = Nullable(T.String({ maxLength: 255 }))

const flagPattern =
  '^\\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|1|0|[Yy]([Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff]|[Tt]|[Ff])\\s*$'
export const Bool = () =>
  T.Union([T.Boolean(), T.String({ pattern: flagPattern }), T.Integer({ minimum: 0, maximum: 1 })])

export const Pairs = T.Object(
  {},
  {
    patternProperties: { '^[a-zA-Z0-9-_:. ]{1,255}$': T.String({ maxLength: 255 }) },
    additionalProperties: false,
  },
)
export const pairs = (value: unknown): Record<string, string> => (value ?? {}) as Record<string, string>

/** A size in GiB: a whole number of 1 or more, or its digits. */
export const Size = T.Union([
  T.Integer({ minimum: 1, maximum: 2_147_483_647 }),
  T.String({ pattern: '^0*[1-9][0-9]{0,9}$' }),
])

export const sizeOf = (value: number | string | null | undefined): number | undefined => {
  if (value === null || value === undefined) return undefined
  const size = Number(value)
  if (size <= 2_147_483_647) return size
  throw badRequest(`Invalid input for field/attribute size. Value: ${value}. It is greater than 2147483647`, {
    field: 'size',
  })
}

/** A body that upstream once let anything pass through: what it does not know is refused from 3.53 on. */
export const refuseUnknown = (body: object, known: readonly string[]): void => {
  const unknown = Object.keys(body).filter((key) => !known.includes(key))
  if (unknown.length === 0) return
  throw badRequest(`Additional properties are not allowed ('${unknown.join("', '")}' was unexpected)`, {
    field: unknown[0],
  })
}

/** An action whose body is of no interest. */
export const Anything = T.Unknown()
export const MetadataBody = Strict({ metadata: Pairs })
