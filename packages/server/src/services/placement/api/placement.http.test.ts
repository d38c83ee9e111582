/** Placement over HTTP, as Nova, osc-placement and its own functional tests speak it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { uuid } from '#platform/ids/ids.ts'
import { startTestCloud } from '#app/testing.ts'
import type { TestCloud } from '#app/testing.ts'
import { keystone } from '#services/keystone/service.ts'
import { placement } from '#services/placement/service.ts'
import { quota } from '#services/quota/service.ts'

let cloud: TestCloud
let admin: string
before(async () => {
  cloud = await startTestCloud({ services: [keystone, quota, placement] })
  admin = await cloud.login('admin')
})
after(() => cloud.close())

const ask = (method: string, path: string, options: { body?: unknown; version?: string; token?: string } = {}) =>
  cloud.ask(method, `/placement${path}`, {
    token: options.token ?? admin,
    body: options.body,
    headers: { 'OpenStack-API-Version': `placement ${options.version ?? '1.39'}` },
  })

async function provider(inventories: Record<string, object> = { VCPU: { total: 8 } }, change: object = {}) {
  const name = `p-${uuid()}`
  const made = await ask('POST', '/resource_providers', { body: { name, ...change } })
  assert.equal(made.status, 200, made.text)
  const { uuid: id, generation } = made.body
  const set = await ask('PUT', `/resource_providers/${id}/inventories`, {
    body: { resource_provider_generation: generation, inventories },
  })
  assert.equal(set.status, 200, set.text)
  return { id: id as string, name, generation: set.body.resource_provider_generation as number }
}
const claimBody = (id: string, resources: object, change: object = {}) => ({
  allocations: { [id]: { resources } },
  project_id: 'p',
  user_id: 'u',
  consumer_generation: null,
  consumer_type: 'INSTANCE',
  ...change,
})
const codeOf = (answer: { body: any }) => answer.body.errors[0].code

test('the version document is public, relative, and alone', async () => {
  const answer = await cloud.ask('GET', '/placement')
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.body, {
    versions: [
      { id: 'v1.0', min_version: '1.0', max_version: '1.39', status: 'CURRENT', links: [{ rel: 'self', href: '' }] },
    ],
  })
  assert.equal((await cloud.ask('GET', '/placement/')).status, 200)
})

test('a provider is made, shown, renamed and deleted; fields and links follow the version', async () => {
  const { id, name } = await provider()
  const shown = await ask('GET', `/resource_providers/${id}`, { version: '1.0' })
  assert.deepEqual(Object.keys(shown.body).sort(), ['generation', 'links', 'name', 'uuid'])
  assert.deepEqual(
    shown.body.links.map(({ rel }: { rel: string }) => rel),
    ['self', 'inventories', 'usages'],
  )
  assert.equal(shown.body.links[0].href, `/placement/resource_providers/${id}`)
  const newest = await ask('GET', `/resource_providers/${id}`)
  assert.deepEqual(
    [newest.body.parent_provider_uuid, newest.body.root_provider_uuid, newest.headers['cache-control']],
    [null, id, 'no-cache'],
  )
  assert.match(String(newest.headers['last-modified']), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
  assert.equal((await ask('PUT', `/resource_providers/${id}`, { body: { name: `${name}-2` } })).body.name, `${name}-2`)
  assert.equal((await ask('DELETE', `/resource_providers/${id}`)).status, 204)
  const gone = await ask('GET', `/resource_providers/${id}`)
  assert.deepEqual([gone.status, gone.body.errors[0].status], [404, 404])
})

test('before 1.20 a new provider is 201 with no body', async () => {
  const answer = await ask('POST', '/resource_providers', { body: { name: `p-${uuid()}` }, version: '1.19' })
  assert.deepEqual([answer.status, answer.text], [201, ''])
  assert.match(String(answer.headers['location']), /^\/placement\/resource_providers\/[0-9a-f-]{36}$/)
})

test('equal names and ids conflict', async () => {
  const { id, name } = await provider()
  const sameName = await ask('POST', '/resource_providers', { body: { name } })
  assert.deepEqual([sameName.status, codeOf(sameName)], [409, 'placement.duplicate_name'])
  assert.equal((await ask('POST', '/resource_providers', { body: { name: 'other', uuid: id } })).status, 409)
})

test('an id without dashes gets them', async () => {
  const id = uuid()
  const made = await ask('POST', '/resource_providers', { body: { name: `p-${id}`, uuid: id.replaceAll('-', '') } })
  assert.equal(made.body.uuid, id)
})

test('a tree keeps its root, refuses loops, and a parent outlives its children', async () => {
  const parent = await provider(),
    child = await provider({}, { parent_provider_uuid: parent.id })
  assert.equal((await ask('GET', `/resource_providers/${child.id}`)).body.root_provider_uuid, parent.id)
  assert.equal(
    codeOf(await ask('DELETE', `/resource_providers/${parent.id}`)),
    'placement.resource_provider.cannot_delete_parent',
  )
  const body = { name: parent.name, parent_provider_uuid: child.id }
  assert.equal((await ask('PUT', `/resource_providers/${parent.id}`, { body })).status, 400)
  const free = { name: child.name, parent_provider_uuid: null }
  assert.equal((await ask('PUT', `/resource_providers/${child.id}`, { body: free, version: '1.36' })).status, 400)
  assert.equal((await ask('PUT', `/resource_providers/${child.id}`, { body: free })).body.root_provider_uuid, child.id)
})

test('inventories are guarded by the generation', async () => {
  const { id, generation } = await provider({ VCPU: { total: 8 } })
  const path = `/resource_providers/${id}/inventories`
  const stale = await ask('PUT', path, { body: { resource_provider_generation: generation - 1, inventories: {} } })
  assert.deepEqual([stale.status, codeOf(stale)], [409, 'placement.concurrent_update'])
  const made = await ask('POST', path, {
    body: { resource_class: 'DISK_GB', total: 10, resource_provider_generation: generation },
  })
  assert.deepEqual(
    [made.status, made.body.total, made.body.max_unit, made.body.resource_provider_generation],
    [201, 10, 0x7fffffff, generation + 1],
  )
  assert.equal((await ask('GET', `${path}/DISK_GB`)).body.allocation_ratio, 1)
  assert.equal(
    (await ask('PUT', `${path}/DISK_GB`, { body: { total: 20, resource_provider_generation: generation + 1 } })).body
      .total,
    20,
  )
  assert.deepEqual(Object.keys((await ask('GET', path)).body.inventories), ['DISK_GB', 'VCPU'])
  assert.equal((await ask('DELETE', `${path}/DISK_GB`)).status, 204)
  assert.equal((await ask('DELETE', `${path}/DISK_GB`)).status, 404)
  assert.equal((await ask('DELETE', path)).status, 204)
})

test('an inventory must be of a known class and leave something to give', async () => {
  const { id, generation } = await provider()
  const put = (inventories: object, version = '1.39') =>
    ask('PUT', `/resource_providers/${id}/inventories`, {
      body: { resource_provider_generation: generation, inventories },
      version,
    })
  assert.match(
    (await put({ CUSTOM_NOBODY: { total: 1 } })).body.errors[0].detail,
    /No such resource class CUSTOM_NOBODY/,
  )
  assert.equal((await put({ VCPU: { total: 4, reserved: 5 } })).status, 400)
  assert.equal((await put({ VCPU: { total: 4, reserved: 4 } }, '1.25')).status, 400)
  assert.equal((await put({ VCPU: { total: 4, reserved: 4 } })).status, 200)
})

test('a consumer takes, is shown, is refused too much, and gives back', async () => {
  const { id } = await provider({ VCPU: { total: 8 }, MEMORY_MB: { total: 1024, step_size: 64, min_unit: 64 } })
  const consumer = `/allocations/${uuid()}`
  assert.equal((await ask('PUT', consumer, { body: claimBody(id, { VCPU: 2, MEMORY_MB: 128 }) })).status, 204)
  const shown = (await ask('GET', consumer)).body
  assert.deepEqual(shown.allocations[id].resources, { MEMORY_MB: 128, VCPU: 2 })
  assert.deepEqual(
    [shown.project_id, shown.user_id, shown.consumer_generation, shown.consumer_type],
    ['p', 'u', 1, 'INSTANCE'],
  )
  assert.deepEqual(Object.keys((await ask('GET', consumer, { version: '1.11' })).body), ['allocations'])
  const again = await ask('PUT', consumer, { body: claimBody(id, { VCPU: 3 }) })
  assert.deepEqual([again.status, codeOf(again)], [409, 'placement.concurrent_update'])
  const tooMuch = await ask('PUT', consumer, { body: claimBody(id, { VCPU: 9 }, { consumer_generation: 1 }) })
  assert.match(tooMuch.body.errors[0].detail, /would exceed the capacity|would violate/)
  const odd = await ask('PUT', consumer, { body: claimBody(id, { MEMORY_MB: 65 }, { consumer_generation: 1 }) })
  assert.match(odd.body.errors[0].detail, /would violate inventory constraints/)
  assert.deepEqual((await ask('GET', `/resource_providers/${id}/usages`)).body.usages, { MEMORY_MB: 128, VCPU: 2 })
  assert.equal(codeOf(await ask('DELETE', `/resource_providers/${id}`)), 'placement.resource_provider.inuse')
  assert.equal(codeOf(await ask('DELETE', `/resource_providers/${id}/inventories/VCPU`)), 'placement.inventory.inuse')
  assert.equal((await ask('DELETE', consumer)).status, 204)
  assert.equal((await ask('DELETE', consumer)).status, 404)
  assert.deepEqual((await ask('GET', consumer)).body, { allocations: {} })
})

test('old versions take lists, and know no owners', async () => {
  const { id } = await provider()
  const path = `/allocations/${uuid()}`
  const list = { allocations: [{ resource_provider: { uuid: id }, resources: { VCPU: 1 } }] }
  assert.equal((await ask('PUT', path, { body: list, version: '1.0' })).status, 204)
  assert.equal((await ask('PUT', path, { body: list, version: '1.8' })).status, 400)
  assert.equal(
    (await ask('PUT', path, { body: { ...list, project_id: 'p', user_id: 'u' }, version: '1.8' })).status,
    204,
  )
  const map = { allocations: { [id]: { resources: { VCPU: 1 } } }, project_id: 'p', user_id: 'u' }
  assert.equal((await ask('PUT', path, { body: map, version: '1.8' })).status, 400)
  assert.equal((await ask('PUT', path, { body: map, version: '1.12' })).status, 204)
  assert.equal((await ask('PUT', path, { body: { ...map, allocations: {} }, version: '1.12' })).status, 400)
})

test('several consumers change together or not at all', async () => {
  const { id } = await provider({ VCPU: { total: 4 } })
  const [from, to] = [uuid(), uuid()]
  assert.equal((await ask('PUT', `/allocations/${from}`, { body: claimBody(id, { VCPU: 4 }) })).status, 204)
  const move = {
    [from]: { ...claimBody(id, {}), allocations: {}, consumer_generation: 1 },
    [to]: claimBody(id, { VCPU: 4 }),
  }
  assert.equal((await ask('POST', '/allocations', { body: move })).status, 204)
  assert.deepEqual((await ask('GET', `/allocations/${from}`)).body.allocations, {})
  const greedy = { [from]: claimBody(id, { VCPU: 1 }), [to]: claimBody(id, { VCPU: 4 }, { consumer_generation: 1 }) }
  assert.equal((await ask('POST', '/allocations', { body: greedy })).status, 409)
  const held = (await ask('GET', `/resource_providers/${id}/allocations`)).body.allocations
  assert.deepEqual(held, { [to]: { resources: { VCPU: 4 }, consumer_generation: 1 } })
})

test('traits: custom ones are made, given to providers, filtered by, and guarded', async () => {
  const { id, generation } = await provider()
  const trait = `CUSTOM_${uuid().replaceAll('-', '').toUpperCase()}`
  assert.equal((await ask('PUT', `/traits/${trait}`)).status, 201)
  assert.equal((await ask('PUT', `/traits/${trait}`)).status, 204)
  assert.equal((await ask('PUT', '/traits/NOT_CUSTOM')).status, 400)
  assert.equal((await ask('GET', `/traits/${trait}`)).status, 204)
  assert.equal((await ask('GET', '/traits/CUSTOM_NOBODY')).status, 404)
  assert.deepEqual(
    (await ask('GET', `/traits?name=in:${trait},HW_CPU_X86_AVX`)).body.traits.sort(),
    [trait, 'HW_CPU_X86_AVX'].sort(),
  )
  const path = `/resource_providers/${id}/traits`
  assert.equal(
    (await ask('PUT', path, { body: { resource_provider_generation: generation, traits: ['CUSTOM_NOBODY'] } })).status,
    400,
  )
  assert.deepEqual(
    (await ask('PUT', path, { body: { resource_provider_generation: generation, traits: [trait] } })).body.traits,
    [trait],
  )
  assert.equal(
    codeOf(await ask('PUT', path, { body: { resource_provider_generation: generation, traits: [] } })),
    'placement.concurrent_update',
  )
  const found = await ask('GET', `/resource_providers?required=${trait}`)
  assert.deepEqual(
    found.body.resource_providers.map((one: { uuid: string }) => one.uuid),
    [id],
  )
  assert.equal((await ask('DELETE', `/traits/${trait}`)).status, 409)
  assert.equal((await ask('DELETE', path)).status, 204)
  assert.equal((await ask('DELETE', `/traits/${trait}`)).status, 204)
  assert.equal((await ask('DELETE', '/traits/HW_CPU_X86_AVX')).status, 400)
})

test('resource classes: custom ones only', async () => {
  const name = `CUSTOM_${uuid().replaceAll('-', '').toUpperCase()}`
  assert.equal((await ask('POST', '/resource_classes', { body: { name } })).status, 201)
  assert.equal((await ask('POST', '/resource_classes', { body: { name } })).status, 409)
  assert.equal((await ask('PUT', `/resource_classes/${name}`)).status, 204)
  assert.equal((await ask('PUT', '/resource_classes/VCPU')).status, 400)
  assert.equal((await ask('GET', `/resource_classes/${name}`)).body.name, name)
  const renamed = await ask('PUT', `/resource_classes/${name}`, { body: { name: `${name}_2` }, version: '1.6' })
  assert.deepEqual([renamed.status, renamed.body?.name], [200, `${name}_2`])
  assert.equal((await ask('DELETE', `/resource_classes/${name}_2`)).status, 204)
  assert.equal((await ask('DELETE', '/resource_classes/VCPU')).status, 400)
  assert.ok(
    (await ask('GET', '/resource_classes')).body.resource_classes.some((one: { name: string }) => one.name === 'PCPU'),
  )
})

test('aggregates are a bare list until 1.18, guarded since 1.19', async () => {
  const { id, generation } = await provider()
  const path = `/resource_providers/${id}/aggregates`,
    aggregate = uuid()
  assert.deepEqual((await ask('PUT', path, { body: [aggregate], version: '1.18' })).body, { aggregates: [aggregate] })
  assert.equal((await ask('PUT', path, { body: [aggregate] })).status, 400)
  assert.equal(
    codeOf(await ask('PUT', path, { body: { aggregates: [], resource_provider_generation: generation } })),
    'placement.concurrent_update',
  )
  const found = await ask('GET', `/resource_providers?member_of=${aggregate}`)
  assert.deepEqual(
    found.body.resource_providers.map((one: { uuid: string }) => one.uuid),
    [id],
  )
  assert.equal((await ask('GET', `/resource_providers?member_of=!${aggregate}`, { version: '1.31' })).status, 400)
})

test('candidates fit, honour traits and aggregates, and can be claimed as they are', async () => {
  const custom = `CUSTOM_${uuid().replaceAll('-', '').toUpperCase()}`
  await ask('POST', '/resource_classes', { body: { name: custom } })
  const { id } = await provider({ [custom]: { total: 4 }, VCPU: { total: 2 } })
  const small = await provider({ [custom]: { total: 1 } })
  const found = (await ask('GET', `/allocation_candidates?resources=${custom}:2,VCPU:1`)).body
  assert.deepEqual(found.allocation_requests, [
    { allocations: { [id]: { resources: { [custom]: 2, VCPU: 1 } } }, mappings: { '': [id] } },
  ])
  assert.deepEqual(found.provider_summaries[id].resources[custom], { capacity: 4, used: 0 })
  const consumer = uuid()
  const claimed = await ask('PUT', `/allocations/${consumer}`, {
    body: {
      ...found.allocation_requests[0],
      project_id: 'p',
      user_id: 'u',
      consumer_generation: null,
      consumer_type: 'INSTANCE',
    },
  })
  assert.equal(claimed.status, 204, claimed.text)
  const both = (await ask('GET', `/allocation_candidates?resources=${custom}:1&limit=1`)).body
  assert.equal(both.allocation_requests.length, 1)
  assert.deepEqual((await ask('GET', `/allocation_candidates?resources=${custom}:3`)).body.allocation_requests, [])
  const old = (await ask('GET', `/allocation_candidates?resources=${custom}:1`, { version: '1.10' })).body
  assert.deepEqual(
    old.allocation_requests.map((one: any) => one.allocations[0].resource_provider.uuid).sort(),
    [id, small.id].sort(),
  )
})

test('granular groups are spread over a tree as asked', async () => {
  const custom = `CUSTOM_${uuid().replaceAll('-', '').toUpperCase()}`
  await ask('POST', '/resource_classes', { body: { name: custom } })
  const root = await provider({ VCPU: { total: 4 } })
  const [left, right] = [
    await provider({ [custom]: { total: 2 } }, { parent_provider_uuid: root.id }),
    await provider({ [custom]: { total: 2 } }, { parent_provider_uuid: root.id }),
  ]
  const groups = `resources=VCPU:1&resources_A=${custom}:1&resources_B=${custom}:1`
  const path = `/allocation_candidates?${groups}&in_tree=${root.id}`
  assert.equal((await ask('GET', path)).status, 400)
  const isolated = (await ask('GET', `${path}&group_policy=isolate`)).body.allocation_requests
  assert.deepEqual(
    isolated.map(({ mappings }: any) => [mappings._A[0], mappings._B[0]]).sort(),
    [
      [left.id, right.id],
      [right.id, left.id],
    ].sort(),
  )
  assert.equal((await ask('GET', `${path}&group_policy=none`)).body.allocation_requests.length, 4)
})

test('bad queries are refused, naming what is wrong', async () => {
  for (const [path, says] of [
    ['/allocation_candidates?resources=VCPU', /Badly formed resources parameter/],
    ['/allocation_candidates', /at least one resources/],
    ['/allocation_candidates?resources=VCPU:1&colour=red', /'colour' was unexpected/],
    ['/allocation_candidates?resources=VCPU:1&required=lower', /Expected 'required'/],
    ['/allocation_candidates?resources=VCPU:1&required=CUSTOM_NOBODY', /No such trait/],
    ['/allocation_candidates?resources=NOBODY:1', /No such resource class/],
    ['/resource_providers?member_of=x', /valid UUID/],
    ['/resource_providers?colour=red', /colour/],
    ['/usages', /project_id/],
  ] as const) {
    const answer = await ask('GET', path)
    assert.equal(answer.status, 400, path)
    assert.match(answer.body.errors[0].detail, says)
  }
})

test('usages of a project: its own readers may ask, others not', async () => {
  const { id } = await provider({ VCPU: { total: 8 } })
  const demo = await cloud.login('demo')
  const project = (
    await cloud.ask('GET', '/identity/v3/auth/tokens', { token: admin, headers: { 'x-subject-token': demo } })
  ).body.token.project.id
  await ask('PUT', `/allocations/${uuid()}`, { body: claimBody(id, { VCPU: 2 }, { project_id: project }) })
  assert.deepEqual((await ask('GET', `/usages?project_id=${project}`, { version: '1.9' })).body.usages, { VCPU: 2 })
  const typed = (await ask('GET', `/usages?project_id=${project}`)).body.usages
  assert.deepEqual(typed, { INSTANCE: { consumer_count: 1, VCPU: 2 } })
  assert.equal((await ask('GET', `/usages?project_id=${project}`, { token: demo })).status, 200)
  assert.equal((await ask('GET', '/usages?project_id=other', { token: demo })).status, 403)
  assert.equal((await ask('GET', '/resource_providers', { token: demo })).status, 403)
})
