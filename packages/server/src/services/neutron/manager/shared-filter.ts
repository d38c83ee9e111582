/** The filter `shared=true|false` of lists: opened to the caller's project or to all by RBAC. */
import { isTrue } from '#platform/api-kit/schema.ts'
import { isShared } from '../store/access.ts'
import type { Condition } from '../store/records.ts'

export const sharedFilter =
  (objectType: string) =>
  (values: string[], projectId: string): Condition =>
    isShared(objectType, isTrue(values.at(-1)), projectId)
