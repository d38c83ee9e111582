/** Field schemas that Keystone's request bodies share, with upstream's bounds. */
import { Nullable, T, type TSchema } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'

export const id = T.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-]+$' })
export const anyId = T.String({ minLength: 1, maxLength: 255 })
/** At least one character that is not white space. */
export const name = T.String({ minLength: 1, maxLength: 255, pattern: '\\S' })
export const shortName = T.String({ minLength: 1, maxLength: 64, pattern: '\\S' })
export const description = Nullable(T.String())
export const flag = T.Boolean()
export const tag = T.String({ minLength: 1, maxLength: 255, pattern: '^[^,/]*$' })
export const tags = T.Array(tag, { maxItems: 80, uniqueItems: true })
export const nullableId = Nullable(id)
export const immutableOption = T.Object(
  { immutable: T.Optional(Nullable(T.Boolean())) }, { additionalProperties: false },
)
export const url = T.String({ minLength: 1, maxLength: 225, pattern: '^[a-zA-Z0-9+.-]+:.+' })
export const interfaceName = T.Union([T.Literal('admin'), T.Literal('internal'), T.Literal('public')])
export const time = Nullable(T.String({ minLength: 10, maxLength: 40 }))

type Fields = Record<string, TSchema>

/** A body `{ project: {…} }`; fields that are not named are kept with the thing, as upstream does. */
export const openBody = <K extends string, F extends Fields>(key: K, fields: F, options: object = {}) =>
  T.Object({
    [key]: T.Object(fields, { additionalProperties: true, ...options }),
  } as { [P in K]: ReturnType<typeof T.Object<F>> })

/** The same, refusing fields that are not named. */
export const closedBody = <K extends string, F extends Fields>(key: K, fields: F, options: object = {}) =>
  openBody(key, fields, { additionalProperties: false, ...options })

type Optional<F extends Fields> = { [P in keyof F]: ReturnType<typeof T.Optional<F[P]>> }

export const optional = <F extends Fields>(fields: F) =>
  Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, T.Optional(field)])) as Optional<F>

/** The changes of an update, refused when there are none. Checked after the caller's right, as upstream does. */
export const someOf = <T extends object>(changes: T): T => {
  if (Object.keys(changes).length === 0) {
    throw badRequest('{} does not have enough properties: name at least one field to change')
  }
  return changes
}

/** What upstream keeps for every thing besides its own fields; `id` and `links` are never a client's to set. */
export const extraOf = (body: object, known: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([key]) => !known.includes(key) && key !== 'id' && key !== 'links'))
