/** I25: nobody learns a number or a name of an ancestor or a sibling; who is above sees everything below. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { passwordLogin, startTestCloud, type TestCloud } from '#app/testing.ts'

interface Row {
  project: string
  resource: string
  lent: number
  borrowed: number
}

let cloud: TestCloud
let admin: string
const ids: Record<string, string> = {}
const tokens: Record<string, string> = {}

const ask = async (method: string, path: string, { as = 'admin', body }: { as?: string; body?: unknown } = {}) =>
  cloud.ask(method, `/quota/v1${path}`, { token: tokens[as] ?? admin, ...(body !== undefined && { body }) })

const identity = async (method: string, path: string, body?: unknown) => {
  const answer = await cloud.ask(method, `/identity/v3${path}`, { token: admin, ...(body !== undefined && { body }) })
  assert.ok(answer.status < 300, answer.text)
  return answer.body
}

const loginAs = async (role: string, project: string): Promise<string> => {
  const password = 'correct horse battery',
    name = `${role}-of-${project}`
  const { user } = await identity('POST', '/users', { user: { name, password, domain_id: 'default' } })
  const { roles } = await identity('GET', `/roles?name=${role}`)
  await identity('PUT', `/projects/${ids[project]}/users/${user.id}/roles/${roles[0].id}`)
  const login = await cloud.ask('POST', '/identity/v3/auth/tokens', { body: passwordLogin(name, password, project) })
  return String(login.headers['x-subject-token'])
}

const take = (project: string, cores: number, reclaimable: 'never' | 'yes' = 'never') =>
  cloud.db.transaction((tx) => {
    const subject = `test:${project}:${cores}`
    return cloud.facades.quota.reserve(tx, { projectId: ids[project]!, deltas: { cores }, subject, reclaimable })
  })

/** The team owns 1009: 101 of them are the lender's, 211 the borrower's, who uses 948 with what all others leave. */
before(async () => {
  cloud = await startTestCloud()
  admin = await cloud.login('admin')
  for (const [name, parent] of [
    ['team', undefined],
    ['lender', 'team'],
    ['borrower', 'team'],
  ] as const) {
    const place = parent ? { parent_id: ids[parent] } : {}
    ids[name] = (await identity('POST', '/projects', { project: { name, domain_id: 'default', ...place } })).project.id
  }
  for (const [project, cores] of Object.entries({
    team: { own: 1009 },
    lender: { own: 101, lend: -1 },
    borrower: { own: 211, borrow: -1 },
  })) {
    const set = await ask('PUT', `/projects/${ids[project]}`, { body: { limits: { cores } } })
    assert.equal(set.status, 200, set.text)
  }
  for (const name of ['lender', 'borrower']) tokens[name] = await loginAs('member', name)
  tokens.chief = await loginAs('manager', 'team')
  await take('team', 13)
  await take('borrower', 928)
  await take('borrower', 20, 'yes')
})
after(() => cloud.close())

const explain = async (as: string, project: string, cores: number) =>
  (await ask('POST', `/projects/${ids[project]}/explain`, { as, body: { amounts: { cores } } })).body.explanation
const loans = async (as: string, project: string) =>
  (await ask('GET', `/projects/${ids[project]}/loans`, { as })).body.loans

/** Names of the others, what the team owns, uses and has left, and what the sibling owns, uses and borrows. */
const assertTellsNothing = (answer: unknown) => {
  const text = JSON.stringify(answer)
  assert.ok(!text.includes(ids.team!) && !text.includes(ids.borrower!), text)
  assert.doesNotMatch(text, /\b(1009|961|948|928|697|684|211|737|13)\b/)
}

test('a tenant’s explanation of a refusal tells of nobody else', async () => {
  const refused = await explain('lender', 'lender', 90)
  assert.deepEqual([refused.verdict, refused.refusal.node, refused.refusal.available], ['refused', 'ancestor', 48])
  assert.deepEqual(refused.levels.map(({ project }: { project: string }) => project), [ids.lender])
  assertTellsNothing(refused)
})

test('a tenant learns that something would be ended for it, and not whose', async () => {
  const reclaims = await explain('lender', 'lender', 60)
  assert.equal(reclaims.verdict, 'reclaims')
  assert.deepEqual(
    reclaims.victims.map(({ claim, project }: Record<string, string>) => [claim, project]),
    [['another', 'another']],
  )
  assertTellsNothing(reclaims)
})

test('a tenant’s loans name its own side, and the other side is another', async () => {
  const [lent] = await loans('lender', 'lender')
  assert.deepEqual([lent.lender, lent.borrower], [ids.lender, 'another'])
  assertTellsNothing(await loans('lender', 'lender'))
  const borrowed = await loans('borrower', 'borrower')
  assert.deepEqual(new Set(borrowed.map((loan: { lender: string }) => loan.lender)), new Set(['another']))
})

test('a tenant that is refused learns its own numbers only, and finds no project but its own', async () => {
  const claims = [{ project_id: ids.lender, amounts: { cores: 90 } }]
  const refused = await ask('POST', '/claims', { as: 'lender', body: { claims } })
  assert.ok(refused.status >= 400, refused.text)
  assertTellsNothing(refused.body)
  for (const id of [ids.team, ids.borrower])
    for (const path of [`/projects/${id}`, `/projects/${id}/loans`, `/tree?project_id=${id}`])
      assert.equal((await ask('GET', path, { as: 'lender' })).status, 404, path)
  const { tree } = (await ask('GET', '/tree', { as: 'lender' })).body
  assert.ok(tree.length > 0)
  // What a project hangs below its members know from Keystone.
  assertTellsNothing(tree.map((row: object) => ({ ...row, parent: null })))
})

test('the past names those above to nobody below, and to a manager everybody that is below', async () => {
  const nodeFor = async (as: string): Promise<string | undefined> => {
    const path = `/history?kind=refused&project_id=${ids.lender}`
    return (await ask('GET', path, { as })).body.history[0]?.details.node
  }
  for (let round = 0; (await nodeFor('admin')) === undefined; round++) {
    assert.ok(round < 600, 'not within a minute')
    await systemClock.sleep(100)
  }
  assert.deepEqual([await nodeFor('lender'), await nodeFor('chief')], ['another', ids.team])
})

test('a manager above sees every name and number below, and so does an operator', async () => {
  for (const as of ['chief', 'admin']) {
    const answer = await explain(as, 'lender', 90)
    assert.deepEqual([answer.refusal.node, answer.refusal.used + answer.refusal.reserved], [ids.team, 961])
    assert.deepEqual(answer.refusal.heldBy, [{ project: ids.borrower, amount: 737 }])
    assert.deepEqual(answer.levels.map(({ project }: { project: string }) => project), [ids.lender, ids.team])
    assert.deepEqual(
      (await explain(as, 'lender', 60)).victims.map(({ claim, project }: Record<string, string>) => [claim, project]),
      [['test:borrower:20', ids.borrower]],
    )
    const sides = (await loans(as, 'lender')).map((loan: Record<string, unknown>) => [loan.lender, loan.borrower])
    assert.deepEqual(sides, [[ids.lender, ids.borrower]])
  }
})

test('what the tree shows as lent and borrowed is what the loans say, at the top too', async () => {
  const { tree } = (await ask('GET', `/tree?project_id=${ids.team}`)).body
  const shown = tree
    .filter(({ resource }: Row) => resource === 'cores')
    .map(({ project, lent, borrowed }: Row) => [project, lent, borrowed])
  const all: Record<string, number>[] = await loans('admin', 'team')
  const sum = (side: string, project: string) =>
    all.filter((loan) => String(loan[side]) === project).reduce((total, { amount }) => total + amount!, 0)
  assert.deepEqual(shown.sort(), Object.values(ids).map((id) => [id, sum('lender', id), sum('borrower', id)]).sort())
  assert.ok(sum('lender', ids.team!) > 0)
  assert.equal(sum('borrower', ids.borrower!), 737)
})
