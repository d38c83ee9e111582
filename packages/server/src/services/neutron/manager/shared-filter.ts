/** The condition behind `shared=true|false` in lists: opened to the caller's project, or to all, by RBAC. */
import { isShared } from '../store/access.ts'
import type { Condition } from '../store/records.ts'

export const sharedCondition = (objectType: string, ask: { shared: boolean; projectId: string }): Condition =>
  isShared(objectType, ask.shared, ask.projectId)
