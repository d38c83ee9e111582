/** Field windows: what a schema looks like at one microversion, and how a newest reply is cut down to it. */
import type { TSchema } from './schema.ts'
import { isWithin, versionNumber } from './versions.ts'

type Json = Record<string, any>
const combinators = ['anyOf', 'oneOf', 'allOf'] as const

const isOpenAt = (schema: Json, version: string): boolean =>
  isWithin(version, { since: schema['x-since'], until: schema['x-until'] })

/** All versions at which the schema changes, ascending. */
export const boundaries = (schema: TSchema | undefined): string[] => {
  const found = new Set<string>()
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(walk)
    if (node === null || typeof node !== 'object') return
    for (const [key, value] of Object.entries(node)) {
      if ((key === 'x-since' || key === 'x-until' || key === 'x-required-since') && typeof value === 'string')
        found.add(value)
      else walk(value)
    }
  }
  walk(schema)
  return [...found].sort((a, b) => versionNumber(a) - versionNumber(b))
}

const requiredAt = (node: Json, properties: Json, version: string): string[] => [
  ...(node.required ?? []).filter((name: string) => name in properties),
  ...Object.keys(properties).filter((name) => {
    const from = properties[name]['x-required-since']
    return from && isWithin(version, { since: from })
  }),
]

const prunedObject = (node: Json, version: string): Json => {
  const open = Object.entries<Json>(node.properties).filter(([, field]) => isOpenAt(field, version))
  const properties = Object.fromEntries(open.map(([name, field]) => [name, pruned(field, version)]))
  return { ...node, properties, required: [...new Set(requiredAt(node, properties, version))] }
}

const pruned = (node: Json, version: string): Json => {
  let result: Json = node.properties ? prunedObject(node, version) : { ...node }
  for (const key of combinators) {
    if (!result[key]) continue
    result = {
      ...result,
      [key]: result[key].filter((one: Json) => isOpenAt(one, version)).map((one: Json) => pruned(one, version)),
    }
  }
  for (const key of ['items', 'additionalProperties']) {
    if (result[key] && typeof result[key] === 'object' && !Array.isArray(result[key]))
      result[key] = pruned(result[key], version)
  }
  if (result.patternProperties) {
    result.patternProperties = Object.fromEntries(
      Object.entries<Json>(result.patternProperties).map(([name, field]) => [name, pruned(field, version)]),
    )
  }
  return result
}

/** The schema as it is at `version`, without the fields whose window is closed. */
export const schemaAt = (schema: TSchema, version: string): Json => pruned(schema as Json, version)

export type Cut = (value: any) => any

const cutObject = (node: Json, version: string): Cut | undefined => {
  const closed: string[] = []
  const inner: [string, Cut][] = []
  for (const [name, field] of Object.entries<Json>(node.properties)) {
    if (!isOpenAt(field, version)) closed.push(name)
    else {
      const cut = cutFor(field, version)
      if (cut) inner.push([name, cut])
    }
  }
  if (!closed.length && !inner.length) return undefined
  return (value) => {
    if (value === null || typeof value !== 'object') return value
    const copy = { ...value }
    for (const name of closed) delete copy[name]
    for (const [name, cut] of inner) if (copy[name] !== undefined) copy[name] = cut(copy[name])
    return copy
  }
}

const cutItems = (node: Json, version: string): Cut | undefined => {
  const cut = cutFor(node.items, version)
  return cut && ((value) => (Array.isArray(value) ? value.map(cut) : value))
}

/** A function that removes from a newest view what `version` does not have; undefined when nothing is to remove. */
export const cutFor = (schema: TSchema | Json | undefined, version: string): Cut | undefined => {
  const node = schema as Json | undefined
  if (!node) return undefined
  if (node.properties) return cutObject(node, version)
  if (node.items && !Array.isArray(node.items)) return cutItems(node, version)
  if (node.additionalProperties && typeof node.additionalProperties === 'object') {
    const cut = cutFor(node.additionalProperties, version)
    return cut && ((value) => Object.fromEntries(Object.entries(value ?? {}).map(([key, one]) => [key, cut(one)])))
  }
  const options = combinators
    .flatMap((key) => node[key] ?? [])
    .map((one: Json) => cutFor(one, version))
    .filter(Boolean) as Cut[]
  return options.length ? (value) => options.reduce((result, cut) => cut(result), value) : undefined
}
