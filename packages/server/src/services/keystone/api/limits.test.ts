/** Unified limits in two levels: what a domain and its projects may have of each other. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { openDatabase } from '#platform/db/database.ts'
import { adminToken, startKeystone, type TestKeystone } from '../testing.ts'

describe('strict_two_level', () => {
  let cloud: TestKeystone
  let token: string
  let serviceId: string
  let projectId: string

  const ask = (method: string, path: string, body?: unknown) => cloud.ask(method, `/v3${path}`, { token, body })
  const limit = (value: number, place: object) => ({
    service_id: serviceId, resource_name: 'servers', resource_limit: value, ...place,
  })
  const create = (...limits: object[]) => ask('POST', '/limits', { limits })
  const ofProject = (value: number) => limit(value, { project_id: projectId })
  const ofDomain = (value: number) => limit(value, { domain_id: 'default' })

  beforeEach(async () => {
    cloud = await startKeystone({ config: { limitModel: 'strict_two_level' } })
    token = await adminToken(cloud)
    serviceId = (await ask('GET', '/services?type=compute')).body.services[0].id
    projectId = (await ask('POST', '/projects', { project: { name: 'p', domain_id: 'default' } })).body.project.id
    const registered = { service_id: serviceId, resource_name: 'servers', default_limit: 10 }
    assert.equal((await ask('POST', '/registered_limits', { registered_limits: [registered] })).status, 201)
  })
  afterEach(() => cloud.close())

  test('the model is told', async () => {
    assert.equal((await ask('GET', '/limits/model')).body.model.name, 'strict_two_level')
  })

  test('a project may not have more than its domain, nor than the default where the domain has no limit', async () => {
    const refused = await create(ofProject(11))
    assert.equal(refused.status, 403)
    assert.match(refused.body.error.message, /^Invalid resource limit: The resource limit \(project_id: /)
    assert.match(refused.body.error.message, /region_id: None\) doesn't satisfy current hierarchy model/)
    assert.equal((await create(ofProject(10))).status, 201)
    assert.equal((await create(ofDomain(9))).status, 403)
    const domain = await create(ofDomain(20))
    assert.equal(domain.status, 201)
    const { id } = domain.body.limits[0]
    assert.equal((await ask('PATCH', `/limits/${id}`, { limit: { resource_limit: 5 } })).status, 403)
    assert.equal((await ask('PATCH', `/limits/${id}`, { limit: { resource_limit: 30 } })).status, 200)
  })

  test('a parent in the same request counts, and the sum of projects may exceed it', async () => {
    const other = (await ask('POST', '/projects', { project: { name: 'q', domain_id: 'default' } })).body.project.id
    assert.equal((await create(ofDomain(20), ofProject(21))).status, 403)
    const both = await create(ofDomain(20), ofProject(15), limit(15, { project_id: other }))
    assert.equal(both.status, 201, JSON.stringify(both.body))
  })

  test('a project of no limit is bounded with its domain', async () => {
    assert.equal((await create(ofProject(-1))).status, 201)
  })

  test('projects are no deeper than two levels', async () => {
    const project = { name: 'deep', domain_id: 'default', parent_id: projectId }
    const deep = await ask('POST', '/projects', { project })
    assert.equal(deep.status, 403)
    assert.match(deep.body.error.message, /Max hierarchy depth reached/)
  })
})

test('a cloud whose projects are too deep for the model does not start, and says which', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'keystone-limits-'))
  const db = await openDatabase({ url: 'sqlite::memory:' })
  try {
    const flat = await startKeystone({ db, dataDir })
    const token = await adminToken(flat)
    const create = async (name: string, place: object) => {
      const project = { name, domain_id: 'default', ...place }
      return (await flat.ask('POST', '/v3/projects', { token, body: { project } })).body.project.id
    }
    const deep = await create('below', { parent_id: await create('above', {}) })
    await flat.close()
    await assert.rejects(
      startKeystone({ db, dataDir, config: { limitModel: 'strict_two_level' } }), new RegExp(`deeper \\(${deep}\\)`),
    )
  } finally {
    await db.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
})
