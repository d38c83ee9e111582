/** Who may see, change and claim quota. Beyond the role, the tree decides: `manager/board.ts`, `outside-claims.ts`. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

const rules: Record<string, string> = {
  context_is_admin: 'role:admin',
  'quota:show': 'role:admin or role:service or role:manager or role:member or role:reader',
  'quota:show_unified': 'role:admin',
  'quota:set': 'role:admin or role:manager',
  'quota:claim': 'role:admin or role:service or role:manager or role:member',
}

export const policies: PolicyRule[] = Object.entries(rules).map(([name, rule]) => ({
  name,
  rule,
  scopes: ['project', 'system', 'domain'],
}))
