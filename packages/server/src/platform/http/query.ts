/** Query strings: repeated keys become arrays, values stay text until the schema's types coerce them. */
import type { TSchema } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'

const isArray = (schema: any): boolean =>
  schema?.type === 'array' || (schema?.anyOf ?? []).some((one: any) => one.type === 'array')

const parse = (text: string): URLSearchParams => {
  try {
    decodeURIComponent(text.replaceAll('+', ' '))
  } catch (error) {
    throw badRequest('The query string is not valid UTF-8', { field: 'query' }, error)
  }
  return new URLSearchParams(text)
}

/** A key given once is a string unless the schema says array; given more than once it is an array. */
export const queryOf = (url: string, schema: TSchema | undefined): Record<string, unknown> => {
  const mark = url.indexOf('?')
  if (mark < 0) return {}
  const result: Record<string, unknown> = {}
  const params = parse(url.slice(mark + 1))
  const properties = (schema as any)?.properties ?? {}
  for (const key of new Set(params.keys())) {
    const values = params.getAll(key)
    result[key] = values.length > 1 || isArray(properties[key]) ? values : values[0]
  }
  return result
}
