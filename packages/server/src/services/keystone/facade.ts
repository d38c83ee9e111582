/** What other services may ask of Keystone. */
import type { TokenData, TokenValidator } from '#platform/auth/context.ts'

export interface ProjectInfo {
  id: string
  name: string
  domainId: string
  parentId: string | null
  enabled: boolean
  isDomain: boolean
}
/** Whether a project stands below another in its tree. None stands below itself. */
export const isBelow = async (
  keystone: Pick<KeystoneFacade, 'projectAncestors'>,
  above: string,
  id: string,
): Promise<boolean> => (await keystone.projectAncestors(id)).slice(1).some((project) => project.id === above)

export interface UserInfo { id: string; name: string; domainId: string; enabled: boolean }

export interface KeystoneFacade extends TokenValidator {
  projectFetch(id: string): Promise<ProjectInfo | undefined>
  /** From the project up to its domain, the project first. */
  projectAncestors(id: string): Promise<ProjectInfo[]>
  projectsList(): Promise<ProjectInfo[]>
  userFetch(id: string): Promise<UserInfo | undefined>
  /** Registers services and endpoints, below the public root `hostUrl` at answer time. Idempotent. */
  catalogEnsure(entries: CatalogEntry[]): Promise<void>
  /** A token for work in the user's name later (controllers, Heat): full data of `userId` on `projectId` now. */
  actAs(userId: string, projectId: string): Promise<TokenData | undefined>
  /** Below domains, projects have no limits of their own tree (`flat`), or the domain is the tree's root. */
  limitModel(): 'flat' | 'strict_two_level'
  /** Unified limits, for quota. Look again on `keystone.limits.changed`. */
  unifiedLimits(): Promise<UnifiedLimits>
}

/** A limit by the type of its service (`compute`), as clients named it; `value` −1 is no limit. */
export interface UnifiedLimit {
  id: string
  serviceType: string
  regionId: string | null
  resourceName: string
  value: number
}
export interface UnifiedLimits {
  /** The default of a resource. */
  registered: UnifiedLimit[]
  /** Of one project or domain. */
  limits: (UnifiedLimit & { projectId: string; isDomain: boolean })[]
}

/** `path` is below the public root: `/compute/v2.1`. */
export interface CatalogEntry { type: string; name: string; path: string; region: string }
