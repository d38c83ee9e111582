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
  /** Registered limits, for quota (unified limits): the default of each resource of each service. */
  registeredLimitsList(): Promise<RegisteredLimitInfo[]>
  /** Limits that projects (`project_id`) and domains (`domain_id`) have of their own. */
  limitsList(match?: { project_id?: string; domain_id?: string }): Promise<LimitInfo[]>
}

export interface RegisteredLimitInfo {
  id: string
  service_id: string
  region_id: string | null
  resource_name: string
  default_limit: number
}
export interface LimitInfo {
  id: string
  service_id: string
  region_id: string | null
  resource_name: string
  resource_limit: number
  project_id: string | null
  domain_id: string | null
}

/** `path` is below the public root: `/compute/v2.1`. */
export interface CatalogEntry { type: string; name: string; path: string; region: string }
