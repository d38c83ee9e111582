/** All routes of Keystone, in the order of its reference. */
import type { Route } from '#platform/api-kit/route.ts'
import { authRoutes } from './auth.ts'
import { domainRoutes } from './domains.ts'
import { grantRoutes } from './grants.ts'
import { groupRoutes } from './groups.ts'
import { projectRoutes } from './projects.ts'
import { roleAssignmentRoutes } from './role-assignments.ts'
import { roleRoutes } from './roles.ts'
import { userRoutes } from './users.ts'
import { versionRoutes } from './versions.ts'

export const routes: Route[] = [
  ...versionRoutes, ...authRoutes, ...domainRoutes, ...projectRoutes, ...userRoutes, ...groupRoutes, ...roleRoutes,
  ...grantRoutes, ...roleAssignmentRoutes,
]
