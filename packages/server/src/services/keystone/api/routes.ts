/** All routes of Keystone, in the order of its reference. */
import type { Route } from '#platform/api-kit/route.ts'
import { applicationCredentialRoutes } from './application-credentials.ts'
import { authRoutes } from './auth.ts'
import { catalogRoutes } from './catalog.ts'
import { credentialRoutes } from './credentials.ts'
import { domainRoutes } from './domains.ts'
import { endpointFilterRoutes } from './endpoint-filters.ts'
import { grantRoutes } from './grants.ts'
import { groupRoutes } from './groups.ts'
import { limitRoutes } from './limits.ts'
import { policyBlobRoutes } from './policy-blobs.ts'
import { projectRoutes } from './projects.ts'
import { roleAssignmentRoutes } from './role-assignments.ts'
import { roleRoutes } from './roles.ts'
import { trustRoutes } from './trusts.ts'
import { userRoutes } from './users.ts'
import { versionRoutes } from './versions.ts'

export const routes: Route[] = [
  ...versionRoutes, ...authRoutes, ...domainRoutes, ...projectRoutes, ...userRoutes, ...groupRoutes, ...roleRoutes,
  ...grantRoutes, ...roleAssignmentRoutes, ...catalogRoutes, ...endpointFilterRoutes, ...policyBlobRoutes,
  ...limitRoutes,
  ...credentialRoutes, ...applicationCredentialRoutes, ...trustRoutes,
]
