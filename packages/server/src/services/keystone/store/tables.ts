/** Keystone's things as its managers know them, and the columns that hold their flags and JSON. */

export type Extra = Record<string, unknown>

/** A project, or a domain (`isDomain`: then `domainId` and `parentId` are empty). */
export interface Project {
  id: string
  name: string
  domain_id: string
  parent_id: string
  is_domain: boolean
  enabled: boolean
  description: string
  tags: string[]
  options: Extra
  extra: Extra
}

export interface User {
  id: string
  name: string
  domain_id: string
  enabled: boolean
  default_project_id: string | null
  options: Extra
  extra: Extra
  created_at: number
  failed_count: number
  failed_at: number | null
  last_active_at: number | null
}

/** The newest password of a user is the one that counts; older ones are kept for the history rule. */
export interface Password {
  id: string
  user_id: string
  hash: string
  created_at: number
  expires_at: number | null
  self_service: boolean
}

export interface Group { id: string; name: string; domain_id: string; description: string; extra: Extra }
export interface Membership { id: string; group_id: string; user_id: string }

/** `domain_id` is empty for a global role. */
export interface Role {
  id: string
  name: string
  domain_id: string
  description: string | null
  options: Extra
  extra: Extra
}
export interface ImpliedRole { id: string; prior_role_id: string; implied_role_id: string }

export type ActorType = 'user' | 'group'
export type TargetType = 'project' | 'domain' | 'system'
export interface Assignment {
  id: string
  actor_type: ActorType
  actor_id: string
  target_type: TargetType
  /** `all` for the system. */
  target_id: string
  role_id: string
  inherited: boolean
}

export interface Region { id: string; description: string; parent_region_id: string | null; extra: Extra }
export interface Service {
  id: string
  type: string
  name: string
  enabled: boolean
  description: string | null
  extra: Extra
}
/** A `url` that begins with `/` is below this cloud's own public root. */
export interface Endpoint {
  id: string
  service_id: string
  region_id: string | null
  interface: string
  url: string
  enabled: boolean
  extra: Extra
}

/** `blob` is sealed. */
export interface Credential {
  id: string
  user_id: string
  project_id: string | null
  type: string
  blob: string
  extra: Extra
}

export interface ApplicationCredential {
  id: string
  user_id: string
  project_id: string
  name: string
  description: string | null
  secret_hash: string
  unrestricted: boolean
  expires_at: number | null
  /** The same in UTC to the microsecond, as the client gave it and wants it back. */
  expires_text: string | null
  role_ids: string[]
  access_rule_ids: string[] | null
}
export interface StoredAccessRule { id: string; user_id: string; service: string; method: string; path: string }

export interface Trust {
  id: string
  trustor_user_id: string
  trustee_user_id: string
  project_id: string | null
  impersonation: boolean
  expires_at: number | null
  remaining_uses: number | null
  role_ids: string[]
  allow_redelegation: boolean
  redelegation_count: number
  redelegated_trust_id: string | null
  deleted_at: number | null
  extra: Extra
}

export interface PolicyBlob { id: string; type: string; blob: string; extra: Extra }
export interface PolicyAssociation {
  id: string
  policy_id: string
  endpoint_id: string | null
  service_id: string | null
  region_id: string | null
}

export interface RegisteredLimit {
  id: string
  service_id: string
  region_id: string | null
  resource_name: string
  default_limit: number
  description: string | null
}
/** `project_id` or `domain_id` is set. */
export interface Limit {
  id: string
  registered_limit_id: string
  service_id: string
  region_id: string | null
  resource_name: string
  project_id: string | null
  domain_id: string | null
  resource_limit: number
  description: string | null
}

/** Tokens of `mark` that were issued at or before `issued_before` are refused. */
export interface Revocation { id: string; mark: string; issued_before: number; revoked_at: number; expires_at: number }

export interface DomainConfig { id: string; config: Record<string, Record<string, unknown>> }
export interface EndpointGroup { id: string; name: string; description: string | null; filters: Record<string, string> }
export interface ProjectEndpoint { id: string; project_id: string; endpoint_id: string }
export interface ProjectEndpointGroup { id: string; project_id: string; endpoint_group_id: string }

export interface Entities {
  identity_project: Project
  identity_user: User
  identity_password: Password
  identity_group: Group
  identity_membership: Membership
  identity_role: Role
  identity_implied_role: ImpliedRole
  identity_assignment: Assignment
  identity_region: Region
  identity_service: Service
  identity_endpoint: Endpoint
  identity_credential: Credential
  identity_application_credential: ApplicationCredential
  identity_access_rule: StoredAccessRule
  identity_trust: Trust
  identity_policy: PolicyBlob
  identity_policy_association: PolicyAssociation
  identity_registered_limit: RegisteredLimit
  identity_limit: Limit
  identity_revocation: Revocation
  identity_domain_config: DomainConfig
  identity_endpoint_group: EndpointGroup
  identity_project_endpoint: ProjectEndpoint
  identity_project_endpoint_group: ProjectEndpointGroup
}

export const flagColumns: Readonly<Record<string, true>> = {
  is_domain: true, enabled: true, inherited: true, unrestricted: true, impersonation: true, allow_redelegation: true,
  self_service: true,
}
export const jsonColumns: Readonly<Record<string, true>> = {
  tags: true, options: true, extra: true, role_ids: true, access_rule_ids: true, config: true, filters: true,
}
