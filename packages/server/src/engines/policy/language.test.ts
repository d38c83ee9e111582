/** The policy language: every tree survives a round trip, and every mistake is told. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseRule, PolicySyntaxError, ruleText, type Expression, type Piece } from './language.ts'

const name = fc.stringMatching(/^[a-z][a-z_]{0,8}$/).filter((text) => ![
  'and', 'or', 'not', 'role', 'rule', 'http', 'https',
].includes(text))
const piece: fc.Arbitrary<Piece> = fc.oneof(name.map((text) => ({ text })), name.map((attribute) => ({ attribute })))
/** Two texts side by side read back as one, so a match alternates. */
const match = fc.oneof(
  piece.map((only) => [only]), fc.tuple(name, name).map(([text, attribute]): Piece[] => [{ text }, { attribute }]),
)
const leaf: fc.Arbitrary<Expression> = fc.oneof(
  fc.constant<Expression>({ kind: 'always' }),
  fc.constant<Expression>({ kind: 'never' }),
  name.map((of): Expression => ({ kind: 'rule', name: of })),
  match.map((of): Expression => ({ kind: 'role', match: of })),
  fc.tuple(name, match).map(([path, of]): Expression => ({ kind: 'caller', path, match: of })),
  fc.tuple(
    fc.oneof(name, fc.constant('None'), fc.constant('7')), match,
  ).map(([value, of]): Expression => ({ kind: 'literal', value, match: of })),
)
const expression = fc.letrec<{ node: Expression }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    leaf,
    tie('node').map((part): Expression => ({ kind: 'not', part })),
    fc.tuple(fc.constantFrom<'and' | 'or'>('and', 'or'), fc.array(tie('node'), { minLength: 2, maxLength: 4 }))
      .map(([kind, parts]): Expression => ({ kind, parts })),
  ),
})).node

test('a tree written as text reads back as the same tree', () => {
  fc.assert(fc.property(expression, (tree) => { assert.deepEqual(parseRule(ruleText(tree)), tree) }))
})

test('and binds tighter than or, not tighter than and', () => {
  assert.equal(
    ruleText(parseRule('role:a or role:b and not role:c or role:d')), 'role:a or (role:b and not role:c) or role:d',
  )
  assert.deepEqual(parseRule('role:a or role:b and role:c'), parseRule('role:a or (role:b and role:c)'))
})

test('words of the language are read in any case, names as they are', () => {
  assert.deepEqual(parseRule('role:A AND Not role:b'), parseRule('role:A and not role:b'))
})

test('the empty text always holds', () => {
  assert.deepEqual(parseRule('  '), { kind: 'always' })
})

test('a rule name may hold colons', () => {
  assert.deepEqual(parseRule('rule:os_compute_api:servers:create'), {
    kind: 'rule', name: 'os_compute_api:servers:create',
  })
})

test('parentheses of an attribute stay in its check', () => {
  assert.deepEqual(parseRule('(project_id:%(project_id)s)'), parseRule('project_id:%(project_id)s'))
})

test('quoted literals may hold a colon', () => {
  assert.deepEqual(parseRule("'network:router_gateway':%(device_owner)s"),
    { kind: 'literal', value: 'network:router_gateway', match: [{ attribute: 'device_owner' }] })
})

for (const [text, problem] of [
  ['role:a and', /ends where a check was expected/],
  ['(role:a', /"\)" is missing/],
  ['role:a)', /unexpected "\)"/],
  ['role:a role:b', /unexpected "role:b"/],
  ['or role:a', /expected before "or"/],
  ['admin', /not of the form kind:value/],
  ['project_id:%(project_id)', /neither/],
  ['http://policy.example/%(name)s', /remote checks are not supported/],
] as const) {
  test(`"${text}" is refused with its problem`, () => {
    assert.throws(() => parseRule(text), (error) => error instanceof PolicySyntaxError && problem.test(error.message))
  })
}
