/** JSON in TEXT columns: one way in and one way out, the same on both databases. */

export const toJson = (value: unknown): string => JSON.stringify(value)

/** The value of a JSON column; the caller names its type, because only its own service writes it. */
export function fromJson<T>(text: string): T
export function fromJson<T>(text: string | null | undefined): T | undefined
export function fromJson<T>(text: string | null | undefined): T | undefined {
  if (text === null || text === undefined) return undefined
  // Most columns of lists and maps are empty; each caller gets one of its own.
  if (text === '[]') return [] as T
  return (text === '{}' ? {} : JSON.parse(text)) as T
}

/** Booleans are stored as 0 and 1, because SQLite has no other. */
export const toFlag = (value: boolean): 0 | 1 => value ? 1 : 0
export const fromFlag = (value: number): boolean => value !== 0
