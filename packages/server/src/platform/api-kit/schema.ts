/** TypeBox is the schema language: its run-time value is JSON Schema. This module is its one home. */
import { Type } from 'typebox'
export type { Static, TObject, TSchema, TProperties } from 'typebox'
import type { TSchema } from 'typebox'

export const T = Type

/** Field windows: `T.String(since('2.19'))` exists from 2.19 on; `until` names the last version that has it. */
export const since = (version: string, options: Record<string, unknown> = {}) => ({ ...options, 'x-since': version })
export const until = (version: string, options: Record<string, unknown> = {}) => ({ ...options, 'x-until': version })

/** An object that refuses unknown fields: the default for request bodies. */
export const Strict = <P extends Record<string, TSchema>>(properties: P, options: Record<string, unknown> = {}) =>
  T.Object(properties, { additionalProperties: false, ...options })

export const Nullable = <S extends TSchema>(schema: S, options: Record<string, unknown> = {}) =>
  T.Union([schema, T.Null()], options)

const flagPattern =
  '^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|1|0|[Yy]([Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff]|[Tt]|[Ff])$'

/** A boolean as OpenStack clients send it in queries and lenient bodies: `true`, `True`, `1`, `yes`, `on`, … */
export const Flag = (options: Record<string, unknown> = {}) =>
  T.Union([T.Boolean(), T.String({ pattern: flagPattern })], options)

const truths = new Set(['true', '1', 'yes', 'on', 't', 'y'])
/** Reads a `Flag`. `undefined` is false. */
export const isTrue = (value: unknown): boolean => value === true || truths.has(String(value ?? '').toLowerCase())
