/** Glance's policy rules, by their upstream names, for the admin, member and reader personas. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

const adminOr = (role: string, target: string): string => `role:admin or (role:${role} and project_id:%(${target})s)`
const member = adminOr('member', 'project_id')
const reader = adminOr('reader', 'project_id')

const rules: Record<string, string> = {
  context_is_admin: 'role:admin',
  add_image: member, modify_image: member, delete_image: member, upload_image: member,
  get_image: reader, get_images: reader,
  download_image: 'role:admin or (role:member and (project_id:%(owner)s or project_id:%(project_id)s))',
  publicize_image: 'role:admin', communitize_image: member,
  add_member: member, delete_member: member, modify_member: member, get_member: reader, get_members: reader,
  deactivate: member, reactivate: member,
  tasks_api_access: 'role:admin',
}

export const policies: PolicyRule[] = Object.entries(rules).map(([name, rule]) => ({ name, rule, scopes: ['project'] }))
