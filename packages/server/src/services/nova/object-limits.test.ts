/** Nova's limits beside quota itself: what is counted by project is granted from above, what is one user's is not. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { passwordLogin, startTestCloud, type TestCloud } from '../../app/testing.ts'

let cloud: TestCloud
let admin: string
let org: string
let team: string
let token: string

const v21 = '/compute/v2.1'
const post = async (url: string, body: object) =>
  Object.values((await cloud.ask('POST', url, { token: admin, body })).body)[0] as { id: string }

/** A member of a project below another. */
before(async () => {
  cloud = await startTestCloud()
  admin = await cloud.login('admin')
  org = (await post('/identity/v3/projects', { project: { name: 'org', domain_id: 'default' } })).id
  team = (await post('/identity/v3/projects', { project: { name: 'team', domain_id: 'default', parent_id: org } })).id
  const user = await post('/identity/v3/users', { user: { name: 'ada', password: 'ada', domain_id: 'default' } })
  const [role] = (await cloud.ask('GET', '/identity/v3/roles?name=member', { token: admin })).body.roles
  await cloud.ask('PUT', `/identity/v3/projects/${team}/users/${user.id}/roles/${role.id}`, { token: admin })
  const answer = await cloud.ask('POST', '/identity/v3/auth/tokens', { body: passwordLogin('ada', 'ada', 'team') })
  token = String(answer.headers['x-subject-token'])
})
after(() => cloud.close())

const group = (name: string) =>
  cloud.ask('POST', `${v21}/os-server-groups`, {
    token,
    body: { server_group: { name, policies: ['affinity'] } },
  })
const limits = async () => (await cloud.ask('GET', `${v21}/limits`, { token })).body.limits.absolute
const set = async (projectId: string, limits: Record<string, number>) =>
  (await cloud.ask('PUT', `${v21}/os-quota-sets/${projectId}`, { token: admin, body: { quota_set: limits } })).status

test('a project below another has every limit on one object from the start, and may make key pairs', async () => {
  const { maxServerMeta, maxTotalKeypairs, maxServerGroupMembers, maxServerGroups } = await limits()
  assert.deepEqual([maxServerMeta, maxTotalKeypairs, maxServerGroupMembers, maxServerGroups], [128, 100, 10, 0])
  const pair = (name: string) => cloud.ask('POST', `${v21}/os-keypairs`, { token, body: { keypair: { name } } })
  assert.equal((await pair('first')).status, 200)
  assert.equal(await set(team, { key_pairs: 1 }), 200)
  const refused = await pair('second')
  assert.equal(refused.status, 403)
  assert.match(refused.text, /Quota exceeded, too many key pairs/)
})

test('server groups are counted in the tree: granted from above, refused beyond, and back when they go', async () => {
  const refused = await group('none')
  assert.equal(refused.status, 403)
  assert.match(refused.text, /Quota exceeded, too many server groups\. .*server_groups/)
  assert.equal(await set(team, { server_groups: 2 }), 200)
  const answers = await Promise.all(['a', 'b', 'c', 'd'].map(group))
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 200, 403, 403])
  assert.equal((await limits()).totalServerGroupsUsed, 2)
  const [made] = answers.filter(({ status }) => status === 200)
  const gone = await cloud.ask('DELETE', `${v21}/os-server-groups/${made!.body.server_group.id}`, { token })
  assert.equal(gone.status, 204)
  assert.equal((await limits()).totalServerGroupsUsed, 1)
  assert.equal((await group('again')).status, 200)
})

test('every service says why in a header, and its body is upstream’s', async () => {
  const networks = await cloud.ask('POST', '/network/v2.0/networks', { token, body: { network: {} } })
  const volumes = await cloud.ask('POST', '/volume/v3/volumes', { token, body: { volume: { size: 1 } } })
  const answers = [await group('one too many'), networks, volumes]
  assert.deepEqual(
    answers.map(({ status, headers }) => [status, headers['x-quota-reason'], headers['retry-after']]),
    [
      [403, 'CEILING', undefined],
      [409, 'CEILING', undefined],
      [413, 'CEILING', undefined],
    ],
  )
  assert.deepEqual(Object.keys(answers[0]!.body.forbidden), ['code', 'message'])
  assert.deepEqual(Object.keys(networks.body.NeutronError), ['type', 'message', 'detail'])
  assert.deepEqual(Object.keys(volumes.body.overLimit), ['code', 'message', 'retryAfter'])
})
