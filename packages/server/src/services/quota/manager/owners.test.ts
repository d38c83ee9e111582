/** Rows and claims in a whole cloud: what services do keeps them equal, and what is broken apart is mended. */
import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { startTestCloud, type TestCloud } from '#app/testing.ts'
import { tarOf } from '#drivers/fakes/container-runtime-images.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { historyList } from '../store/history.ts'
import type { QuotaFront } from './front.ts'

let cloud: TestCloud
let demo: string
let projectId: string
let quota: QuotaFront
let imageId: string

before(async () => {
  cloud = await startTestCloud()
  demo = await cloud.login('demo')
  const { token } = (
    await cloud.ask('GET', '/identity/v3/auth/tokens', { token: demo, headers: { 'x-subject-token': demo } })
  ).body
  projectId = token.project.id
  quota = cloud.facades.quota as QuotaFront
  const image = { name: 'boot', container_format: 'bare', disk_format: 'raw', os_command_line: '/bin/app' }
  imageId = (await ask('POST', '/image/v2/images', image)).id
  const headers = { 'content-type': 'application/octet-stream' }
  const tar = tarOf([{ name: 'bin/app', content: 'app' }])
  await cloud.ask('PUT', `/image/v2/images/${imageId}/file`, { token: demo, body: await buffer(tar), headers })
})
after(() => cloud.close())

const ask = async (method: string, path: string, body?: unknown) => {
  const headers = { 'openstack-api-version': 'compute 2.37' }
  const answer = await cloud.ask(method, path, { token: demo, headers, ...(body !== undefined && { body }) })
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`)
  return answer.body
}
const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
  for (let round = 0; round < 600; round++) {
    if (await isSo()) return
    await systemClock.sleep(100)
  }
  assert.fail(`${what}: not within a minute`)
}
const statusOf = async (id: string): Promise<string> => {
  const answer = await cloud.ask('GET', `/compute/v2.1/servers/${id}`, { token: demo })
  if (answer.body.server?.fault) assert.fail(JSON.stringify(answer.body.server.fault))
  return answer.status === 404 ? 'GONE' : answer.body.server.status
}
const drifts = async () => (await quota.owners.drifts(1000)).map(({ prefix, key }) => prefix + key)
const repaired = async () => (await historyList(cloud.db, { kinds: ['repaired'] }, 100)).map(({ subject }) => subject)
const serverCreate = async (name: string): Promise<string> => {
  const server = { name, flavorRef: '1', imageRef: imageId, networks: 'none' }
  const { id } = (await ask('POST', '/compute/v2.1/servers', { server })).server
  await until(`${name} runs`, async () => (await statusOf(id)) === 'ACTIVE')
  return id
}
const usage = async (name: string) => (await quota.usage(projectId))[name]!.inUse

test('whatever is made, resized and deleted, rows and claims agree', async () => {
  const { network } = await ask('POST', '/network/v2.0/networks', { network: { name: 'n' } })
  const pool = { name: 'p', prefixes: ['10.64.0.0/16'], default_prefixlen: 24 }
  await ask('POST', '/network/v2.0/subnetpools', { subnetpool: pool })
  const asked = { network_id: network.id, ip_version: 4, cidr: '10.9.0.0/24' }
  const { subnet } = await ask('POST', '/network/v2.0/subnets', { subnet: asked })
  await ask('POST', '/network/v2.0/ports', { port: { network_id: network.id } })
  const [outside] = (await ask('GET', '/network/v2.0/networks?router:external=True')).networks
  const gateway = { external_gateway_info: { network_id: outside.id } }
  const { router } = await ask('POST', '/network/v2.0/routers', { router: { name: 'r', ...gateway } })
  await ask('PUT', `/network/v2.0/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
  await ask('POST', '/network/v2.0/floatingips', { floatingip: { floating_network_id: outside.id } })
  const share = { object_type: 'network', object_id: network.id, action: 'access_as_shared', target_tenant: 'x' }
  await ask('POST', '/network/v2.0/rbac-policies', { rbac_policy: share })
  const { security_group: group } = await ask('POST', '/network/v2.0/security-groups', {
    security_group: { name: 'g' },
  })
  const rule = { security_group_id: group.id, direction: 'ingress', protocol: 'tcp' }
  await ask('POST', '/network/v2.0/security-group-rules', { security_group_rule: rule })
  const id = await serverCreate('resized')
  assert.deepEqual(await drifts(), [])
  const action = (body: object) => ask('POST', `/compute/v2.1/servers/${id}/action`, body)
  await action({ resize: { flavorRef: '2' } })
  await until('it is resized', async () => (await statusOf(id)) === 'VERIFY_RESIZE')
  assert.deepEqual(await drifts(), [])
  await action({ confirmResize: null })
  await until('it is confirmed', async () => (await statusOf(id)) === 'ACTIVE')
  assert.deepEqual(await drifts(), [])
  await action({ resize: { flavorRef: '1' } })
  await until('it is resized back', async () => (await statusOf(id)) === 'VERIFY_RESIZE')
  await action({ revertResize: null })
  await until('it is reverted', async () => (await statusOf(id)) === 'ACTIVE')
  assert.deepEqual(await drifts(), [])
  await ask('DELETE', `/compute/v2.1/servers/${id}`)
  await until('it is gone', async () => (await statusOf(id)) === 'GONE')
  await until('its claims are', async () => (await usage('instances')) === 0)
  assert.deepEqual(await drifts(), [])
  assert.deepEqual(await repaired(), [], 'nothing had to be mended by the cloud’s own loop either')
})

test('a claim that is lost is made anew, and one without its row is given back', async () => {
  const id = await serverCreate('forgotten')
  const held = await usage('ram')
  await cloud.db.transaction((tx) => quota.release(tx, { projectId, subject: `nova:server:${id}` }))
  const counted = ['networks', 'security_groups']
  const before = await Promise.all(counted.map(usage))
  for (const name of counted) {
    const leak = { projectId, deltas: { [name]: 3 }, subject: `neutron:${name}:of-nobody` }
    await cloud.db.transaction(async (tx) => {
      await quota.reserve(tx, leak)
      await quota.commit(tx, leak.subject)
    })
  }
  for (const drift of await quota.owners.drifts(1000)) await quota.owners.repair(drift)
  assert.deepEqual(await drifts(), [])
  assert.deepEqual([await usage('ram'), ...(await Promise.all(counted.map(usage)))], [held, ...before])
  // The cloud's own loop may have been first.
  const subjects = [`nova:server:${id}`, ...counted.map((name) => `neutron:${name}:of-nobody`)]
  assert.deepEqual((await repaired()).sort(), subjects.sort())
})
