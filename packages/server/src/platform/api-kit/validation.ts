/** JSON Schema validation: one compiled validator per schema and version boundary, and refusals a person can act on. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import formatsPlugin from 'ajv-formats'
import { badRequest } from '#platform/errors/errors.ts'
import { isUuid } from '#platform/ids/ids.ts'
import type { TSchema } from './schema.ts'
import { boundaries, schemaAt } from './windows.ts'
import { versionNumber } from './versions.ts'

const makeAjv = (options: object): Ajv2020 => {
  const ajv = new Ajv2020({ strict: false, allErrors: false, verbose: true, ...options })
  const addFormats = formatsPlugin as unknown as (target: Ajv2020) => void
  addFormats(ajv)
  ajv.addFormat('uuid', isUuid)
  return ajv
}

const bodies = makeAjv({})
const queries = makeAjv({ coerceTypes: 'array' })
const settings = makeAjv({ useDefaults: true })

const fieldOf = (error: ErrorObject): string => {
  const path = error.instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  return path.at(-1) ?? 'body'
}

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value) ?? String(value)
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}

const reasons: Partial<Record<string, (error: ErrorObject) => string>> = {
  required: (error) => `'${error.params.missingProperty}' is a required property`,
  additionalProperties: (error) =>
    `Additional properties are not allowed ('${error.params.additionalProperty}' was unexpected)`,
  minLength: (error) => `'${shown(error.data)}' is too short`,
  maxLength: (error) => `'${shown(error.data)}' is too long`,
  type: (error) => `${shown(error.data)} is not of type '${[error.params.type].flat().join("', '")}'`,
  enum: (error) => `${shown(error.data)} is not one of ${JSON.stringify(error.params.allowedValues)}`,
  pattern: (error) => `'${shown(error.data)}' does not match '${error.params.pattern}'`,
}

const sentence = (error: ErrorObject): string => {
  const reason = reasons[error.keyword]?.(error) ?? `${shown(error.data)} ${error.message ?? 'is not valid'}`
  return `Invalid input for field/attribute ${fieldOf(error)}. Value: ${shown(error.data)}. ${reason}`
}

/** The most telling of several errors: the deepest, and not the combinator that only says "no branch matched". */
const foremost = (errors: ErrorObject[]): ErrorObject => {
  const depth = (error: ErrorObject) => error.instancePath.split('/').length * 2 + (/Of$/.test(error.keyword) ? 0 : 1)
  return errors.reduce((best, error) => (depth(error) > depth(best) ? error : best), errors[0]!)
}

const throwFirst = (validate: ValidateFunction): never => {
  const error = foremost(validate.errors ?? [])
  throw badRequest(sentence(error), { type: 'ValidationError', field: fieldOf(error), path: error.instancePath })
}

/** Fills the schema's defaults into `value`; answers with the first thing that is wrong with it, if anything is. */
export const fillDefaults = (schema: TSchema, value: object): { path: string; message: string } | undefined => {
  const validate = settings.compile(schema)
  if (validate(value)) return undefined
  const { instancePath, message = 'is not valid' } = foremost(validate.errors ?? [])
  return { path: instancePath.slice(1).replaceAll('/', '.'), message }
}

/** Validates values of one schema at any version; compiles lazily, once per boundary. */
export class VersionedValidator {
  readonly #schema: TSchema
  readonly #edges: number[]
  readonly #compiled = new Map<string, ValidateFunction>()
  readonly #ajv: Ajv2020
  constructor(schema: TSchema, kind: 'body' | 'query') {
    this.#schema = schema
    this.#edges = boundaries(schema).map(versionNumber)
    this.#ajv = kind === 'body' ? bodies : queries
  }

  /** Throws `badRequest` naming the field, its value and what is wrong with it. */
  check(value: unknown, version: string): void {
    const validate = this.#at(version)
    if (!validate(value)) throwFirst(validate)
  }

  /** A window closes after `until`, opens at `since`: the position between and on the edges tells the variant. */
  #at(version: string): ValidateFunction {
    const asked = versionNumber(version)
    const key = this.#edges.map((edge) => (asked < edge ? '<' : asked === edge ? '=' : '>')).join('')
    let validate = this.#compiled.get(key)
    if (!validate) this.#compiled.set(key, (validate = this.#ajv.compile(schemaAt(this.#schema, version))))
    return validate
  }
}
