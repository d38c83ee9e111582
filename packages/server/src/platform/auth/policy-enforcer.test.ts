/** A service's policy: defaults, overrides, scopes, and explanations. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { PolicyProblem } from '../../engines/policy/rule-set.ts'
import type { TokenData } from './context.ts'
import { createEnforcer } from './policy-enforcer.ts'

const domain = { id: 'default', name: 'Default' }
const token = (over: Partial<TokenData> = {}): TokenData => ({
  methods: ['password'], auditIds: ['a'], issuedAt: 0, expiresAt: 1,
  user: { id: 'u1', name: 'ann', domain },
  project: { id: 'p1', name: 'sales', domain },
  roles: [{ id: 'r1', name: 'member' }],
  ...over,
})
const defaults = [
  { name: 'admin_required', rule: 'role:admin' },
  { name: 'thing:read', rule: 'role:member and project_id:%(project_id)s', scopes: ['project' as const] },
  {
    name: 'thing:list_all', rule: 'rule:admin_required or system_scope:all',
    scopes: ['system' as const, 'project' as const],
  },
]
const enforcer = (overrides = {}, enforceScope = true) => createEnforcer({ defaults, overrides, enforceScope })

test('a rule is checked with the token as credentials', () => {
  assert.ok(enforcer().check('thing:read', { project_id: 'p1' }, token()))
  assert.ok(!enforcer().check('thing:read', { project_id: 'p2' }, token()))
  assert.ok(enforcer().check('thing:list_all', {}, token({ project: undefined, system: true })))
})

test('an override replaces a default', () => {
  assert.ok(enforcer({ 'thing:read': '!' }).check('thing:list_all', {}, token({ roles: [{ id: 'r', name: 'admin' }] })))
  assert.ok(!enforcer({ 'thing:read': '!' }).check('thing:read', { project_id: 'p1' }, token()))
})

test('an override with an undefined rule is refused at start', () => {
  assert.throws(() => enforcer({ 'thing:read': 'rule:owner' }), PolicyProblem)
})

test('a token of another scope is refused when scopes are enforced, and told so', () => {
  const onDomain = token({ project: undefined, domain, roles: [{ id: 'r', name: 'admin' }] })
  assert.ok(!enforcer().check('thing:list_all', {}, onDomain))
  assert.match(enforcer().explain('thing:list_all', {}, onDomain), /system or project scope; this one has domain scope/)
  assert.ok(enforcer({}, false).check('thing:list_all', {}, onDomain))
})

test('an unknown rule never holds and is named', () => {
  assert.ok(!enforcer().check('thing:nothing', {}, token()))
  assert.match(enforcer().explain('thing:nothing', {}, token()), /no policy rule "thing:nothing"/)
})

test('two defaults of one name are a mistake of the service', () => {
  assert.throws(
    () => createEnforcer({ defaults: [...defaults, defaults[0]!], overrides: {}, enforceScope: true }), /two defaults/,
  )
})
