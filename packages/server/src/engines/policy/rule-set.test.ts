/** Compiled rules: what holds for whom, and which sets are refused. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { PolicyProblem, RuleSet, type Credentials, type Target } from './rule-set.ts'

const caller = (extra: Record<string, unknown> = {}): Credentials => ({ roles: ['member'], ...extra })
const holds = (text: string, target: Target, creds: Credentials): boolean =>
  new RuleSet({ it: text }).check('it', target, creds)

test('roles are compared without regard to case', () => {
  assert.ok(holds('role:MEMBER', {}, caller()))
  assert.ok(!holds('role:admin', {}, caller()))
  assert.ok(holds('role:%(wanted)s', { wanted: 'Member' }, caller()))
})

test('an attribute of the caller is compared with the target', () => {
  assert.ok(holds('project_id:%(project_id)s', { project_id: 'p1' }, caller({ project_id: 'p1' })))
  assert.ok(!holds('project_id:%(project_id)s', { project_id: 'p2' }, caller({ project_id: 'p1' })))
})

test('a check whose attribute the target lacks does not hold, even if the caller lacks it too', () => {
  assert.ok(!holds('project_id:%(project_id)s', {}, caller({ project_id: undefined })))
  assert.ok(!holds('project_id:%(project_id)s', {}, caller({ project_id: 'None' })))
})

test('an attribute is found as written or by its dots', () => {
  assert.ok(holds('user_id:%(target.user.id)s', { 'target.user.id': 'u' }, caller({ user_id: 'u' })))
  assert.ok(holds('user_id:%(target.user.id)s', { target: { user: { id: 'u' } } }, caller({ user_id: 'u' })))
  assert.ok(holds('token.project.domain.id:d', {}, caller({ token: { project: { domain: { id: 'd' } } } })))
})

test('in a list any element will do', () => {
  assert.ok(holds('groups.id:g2', {}, caller({ groups: [{ id: 'g1' }, { id: 'g2' }] })))
  assert.ok(!holds('groups.id:g3', {}, caller({ groups: [{ id: 'g1' }, { id: 'g2' }] })))
})

test('literals compare with the target: None, True, numbers, text', () => {
  assert.ok(holds('None:%(parent)s', { parent: null }, caller()))
  assert.ok(holds('True:%(shared)s', { shared: true }, caller()))
  assert.ok(holds('7:%(n)s', { n: 7 }, caller()))
  assert.ok(holds("'reader':%(target.role.name)s", { target: { role: { name: 'reader' } } }, caller()))
  assert.ok(!holds('True:%(shared)s', { shared: 'true' }, caller()))
})

test('a caller without an attribute has None of it', () => {
  assert.ok(holds('not domain_id:None', {}, caller({ domain_id: 'd' })))
  assert.ok(!holds('not domain_id:None', {}, caller()))
  assert.ok(!holds('not domain_id:None', {}, caller({ domain_id: null })))
})

test('properties of the prototype are not attributes', () => {
  assert.ok(!holds('constructor.name:Object', {}, caller()))
  assert.ok(!holds("'Object':%(target.constructor.name)s", { target: {} }, caller()))
})

test('an unknown rule never holds', () => {
  assert.ok(!new RuleSet({ it: '@' }).check('that', {}, caller()))
})

test('undefined, circular and unreadable rules are refused together, each named', () => {
  assert.throws(() => new RuleSet({
    a: 'rule:b', b: 'role:x or rule:a', c: 'rule:nowhere', d: 'role:x and',
  }), (error) => {
    assert.ok(error instanceof PolicyProblem)
    assert.equal(error.problems.length, 3)
    assert.match(error.message, /a → b → a/)
    assert.match(error.message, /"c" uses rule "nowhere"/)
    assert.match(error.message, /rule "d"/)
    return true
  })
})

test('a rule used twice on one path is no circle', () => {
  assert.ok(new RuleSet({ base: '@', left: 'rule:base', top: 'rule:left and rule:base' }).check('top', {}, caller()))
})

test('an explanation names what is missing', () => {
  const set = new RuleSet({
    admin: 'role:admin', own: 'role:member and project_id:%(project_id)s', it: 'rule:admin or rule:own',
  })
  assert.equal(set.explain('it', { project_id: 'secret' }, caller({ project_id: 'p' })),
    'policy rule "it" needs role:admin, or project_id:%(project_id)s')
})

test('compiled rules agree with the truth table of their text', () => {
  const roles = ['a', 'b', 'c']
  const leaf = fc.constantFrom(...roles).map((role) => ({
    text: `role:${role}`, truth: (has: Set<string>) => has.has(role),
  }))
  type Node = { text: string; truth: (has: Set<string>) => boolean }
  const node = fc.letrec<{ node: Node }>((tie) => ({
    node: fc.oneof({ depthSize: 'small' }, leaf,
      tie('node').map((part): Node => ({ text: `not (${part.text})`, truth: (has) => !part.truth(has) })),
      fc.tuple(tie('node'), tie('node')).map(([l, r]): Node => ({
        text: `(${l.text} and ${r.text})`, truth: (has) => l.truth(has) && r.truth(has),
      })),
      fc.tuple(tie('node'), tie('node')).map(([l, r]): Node => ({
        text: `(${l.text} or ${r.text})`, truth: (has) => l.truth(has) || r.truth(has),
      }))),
  })).node
  fc.assert(fc.property(node, fc.subarray(roles), (rule, has) => {
    assert.equal(holds(rule.text, {}, { roles: has }), rule.truth(new Set(has)))
  }))
})
