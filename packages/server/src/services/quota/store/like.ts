/** Texts that contain or begin with other texts, `%` and `_` meaning themselves, on both databases. */
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'

const escaped = (text: string): string => text.replace(/[\\%_]/g, '\\$&')

export const beginsWith = (column: string, text: string): RawBuilder<boolean> =>
  sql<boolean>`${sql.ref(column)} like ${`${escaped(text)}%`} escape '\\'`

export const contains = (column: string, text: string): RawBuilder<boolean> =>
  sql<boolean>`${sql.ref(column)} like ${`%${escaped(text)}%`} escape '\\'`
