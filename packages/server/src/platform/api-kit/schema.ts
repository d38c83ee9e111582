/** TypeBox is the schema language: its run-time value is JSON Schema. This module is its one home. */
import { Type } from 'typebox'
export type { Static, TObject, TSchema, TProperties } from 'typebox'
import type { TSchema } from 'typebox'

export const T = Type

/** Field windows: `T.String(since('2.19'))` exists from 2.19 on; `until` names the last version that has it. */
export const since = (version: string, options: object = {}) => ({ ...options, 'x-since': version })
export const until = (version: string, options: object = {}) => ({ ...options, 'x-until': version })

/** An object that refuses unknown fields: the default for request bodies. */
export const Strict = <P extends Record<string, TSchema>>(properties: P, options: object = {}) =>
  T.Object(properties, { additionalProperties: false, ...options })

export const Nullable = <S extends TSchema>(schema: S, options: object = {}) => T.Union([schema, T.Null()], options)

/** A boolean as OpenStack clients send it in queries and lenient bodies: `true`, `True`, `1`, `yes`, `on`, … */
export const Flag = (options: object = {}) =>
  T.Union([T.Boolean(), T.String({ pattern: '^(?i:true|false|1|0|yes|no|on|off|t|f|y|n)$'.replace('(?i:', '(').replace(')$', ')$') })], options)

const truths = new Set(['true', '1', 'yes', 'on', 't', 'y'])
/** Reads a `Flag`. `undefined` stays `undefined`. */
export const isTrue = (value: unknown): boolean => value === true || truths.has(String(value ?? '').toLowerCase())
