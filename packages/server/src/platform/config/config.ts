/** Configuration: one schema, layers merged over its defaults, unknown keys refused by name, printed for `--help`. */
import { parse } from 'yaml'
import { fillDefaults } from '#platform/api-kit/validation.ts'
import type { TObject, TProperties, TSchema } from '#platform/api-kit/schema.ts'

export class ConfigProblem extends Error {}

type Tree = Record<string, unknown>

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

const merged = (base: Tree, over: Tree): Tree => {
  const result = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    result[key] = isTree(value) && isTree(result[key]) ? merged(result[key], value) : value
  }
  return result
}

const propertiesOf = (schema: TSchema): TProperties => (schema as TObject).properties ?? {}

const unknownKeys = (schema: TSchema, tree: Tree, path: string): string[] =>
  Object.entries(tree).flatMap(([key, value]) => {
    const field = propertiesOf(schema)[key]
    if (!field) return [`${path}${key}`]
    return isTree(value) && (field as TObject).properties ? unknownKeys(field, value, `${path}${key}.`) : []
  })

/** Parses a YAML text into a layer; an empty file is an empty layer. */
export const yamlLayer = (text: string, source: string): Tree => {
  const tree: unknown = parse(text) ?? {}
  if (!isTree(tree)) throw new ConfigProblem(`${source} must hold "key: value" lines, not a ${typeof tree}`)
  return tree
}

/** Merges layers, the last one strongest, checks every key and value, and names what is wrong. */
export const loadConfig = <C>(schema: TSchema, layers: { source: string; tree: Tree }[]): C => {
  for (const { source, tree } of layers) {
    const [unknown] = unknownKeys(schema, tree, '')
    if (unknown)
      throw new ConfigProblem(
        `${source}: unknown key "${unknown}". Known keys are printed by \`quaystone up --help\`.`,
      )
  }
  const config = structuredClone(layers.reduce((all, { tree }) => merged(all, tree), {} as Tree))
  const wrong = fillDefaults(schema, config)
  if (wrong) throw new ConfigProblem(`Configuration ${wrong.path || 'root'}: ${wrong.message}`)
  return config as C
}

/** One line a key: name, default and meaning. */
export const describeConfig = (schema: TSchema, path = ''): string[] =>
  Object.entries(propertiesOf(schema)).flatMap(([key, field]) => {
    const { description, default: fallback, properties } = field as TSchema & Record<string, unknown>
    if (properties) return describeConfig(field, `${path}${key}.`)
    const preset = fallback === undefined ? '' : ` (default ${JSON.stringify(fallback)})`
    return [`${`${path}${key}`.padEnd(34)} ${description ?? ''}${preset}`]
  })
