/** A whole cloud on fakes, with Cinder's words for it: ask, make, wait until it is done. */
import assert from 'node:assert/strict'
import { systemClock } from '#platform/clock/clock.ts'
import { startTestCloud, type Answer, type TestCloud } from '../../../app/testing.ts'

export interface AskOptions {
  as?: 'demo' | 'admin'
  version?: string
  body?: unknown
}

const pauseMs = 20
const triesMax = 1_500
const underWay = new Set([
  'creating',
  'downloading',
  'backing-up',
  'restoring-backup',
  'extending',
  'uploading',
  'reverting',
  'deleting',
  'maintenance',
  'restoring',
])

export class CinderCloud {
  readonly #cloud: TestCloud
  readonly #tokens: Record<'demo' | 'admin', string>
  readonly projectId: string
  readonly adminProjectId: string

  constructor(cloud: TestCloud, tokens: Record<'demo' | 'admin', string>, projects: { demo: string; admin: string }) {
    this.#cloud = cloud
    this.#tokens = tokens
    this.projectId = projects.demo
    this.adminProjectId = projects.admin
  }

  static async start(): Promise<CinderCloud> {
    const cloud = await startTestCloud()
    const tokens = { demo: await cloud.login('demo'), admin: await cloud.login('admin') }
    const { projects } = (await cloud.ask('GET', '/identity/v3/projects', { token: tokens.admin })).body
    const idOf = (name: string): string => projects.find((project: any) => project.name === name).id
    return new CinderCloud(cloud, tokens, { demo: idOf('demo'), admin: idOf('admin') })
  }

  get store() {
    return this.#cloud.volumes
  }
  get whole(): TestCloud {
    return this.#cloud
  }
  token(as: 'demo' | 'admin'): string {
    return this.#tokens[as]
  }
  close(): Promise<void> {
    return this.#cloud.close()
  }

  ask(method: string, path: string, { as = 'demo', version = '3.0', body }: AskOptions = {}): Promise<Answer> {
    const headers = { 'openstack-api-version': `volume ${version}` }
    return this.#cloud.ask(method, `/volume${path}`, { token: this.#tokens[as], body, headers })
  }

  /** A volume that is ready. */
  async made(volume: Record<string, unknown>): Promise<any> {
    const sized = { ...(volume.snapshot_id || volume.source_volid ? {} : { size: 1 }), ...volume }
    const answer = await this.ask('POST', '/v3/volumes', { body: { volume: sized } })
    assert.equal(answer.status, 202, answer.text)
    const made = await this.settled(answer.body.volume.id)
    assert.equal(made.status, 'available')
    return made
  }

  async act(id: string, body: object, options: AskOptions = {}): Promise<Answer> {
    const answer = await this.ask('POST', `/v3/volumes/${id}/action`, { ...options, body })
    assert.ok(answer.status < 300, answer.text)
    return answer
  }

  settled(id: string): Promise<any> {
    return this.#settled(`/v3/volumes/${id}`, 'volume')
  }
  settledSnapshot(id: string): Promise<any> {
    return this.#settled(`/v3/snapshots/${id}`, 'snapshot')
  }

  async #settled(path: string, key: string): Promise<any> {
    return this.until(async () => {
      const { status, body, text } = await this.ask('GET', path, { as: 'admin' })
      assert.equal(status, 200, text)
      return underWay.has(body[key].status) ? undefined : body[key]
    }, `${path} to settle`)
  }

  async deleted(id: string): Promise<void> {
    const answer = await this.ask('DELETE', `/v3/volumes/${id}`)
    assert.equal(answer.status, 202, answer.text)
    await this.gone(`/v3/volumes/${id}`)
  }

  async gone(path: string): Promise<void> {
    await this.until(
      async () => ((await this.ask('GET', path, { as: 'admin' })).status === 404 ? true : undefined),
      path,
    )
  }

  async used(name: string, whose: 'demo' | 'admin' = 'demo'): Promise<number> {
    const projectId = whose === 'demo' ? this.projectId : this.adminProjectId
    const { quota_set } = (await this.ask('GET', `/v3/os-quota-sets/${projectId}?usage=true`, { as: 'admin' })).body
    return quota_set[name].in_use
  }

  /** An active image with these bytes. */
  async image(bytes: string): Promise<string> {
    const token = this.#tokens.demo
    const body = { name: 'disk', container_format: 'bare', disk_format: 'raw' }
    const { id } = (await this.#cloud.ask('POST', '/image/v2/images', { token, body })).body
    const headers = { 'content-type': 'application/octet-stream' }
    const put = await this.#cloud.ask('PUT', `/image/v2/images/${id}/file`, {
      token,
      body: Buffer.from(bytes),
      headers,
    })
    assert.equal(put.status, 204, put.text)
    return id
  }

  /** Looks again and again, generously. */
  async until<Value>(look: () => Promise<Value | undefined>, what: string): Promise<Value> {
    for (let tries = 0; tries < triesMax; tries++) {
      const found = await look()
      if (found !== undefined) return found
      await systemClock.sleep(pauseMs)
    }
    throw new Error(`waited in vain for ${what}`)
  }
}
