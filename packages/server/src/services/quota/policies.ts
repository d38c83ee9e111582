/** Who may see and change quota. Beyond the role, the tree decides: see `manager/board.ts`. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

const rules: Record<string, string> = {
  context_is_admin: 'role:admin',
  'quota:show': 'role:admin or role:manager or role:member or role:reader',
  'quota:show_unified': 'role:admin',
  'quota:set': 'role:admin or role:manager',
}

export const policies: PolicyRule[] = Object.entries(rules).map(([name, rule]) => ({
  name,
  rule,
  scopes: ['project', 'system', 'domain'],
}))
