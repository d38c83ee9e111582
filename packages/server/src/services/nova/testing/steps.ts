/** Steps that many of Nova's tests begin with. */
import assert from 'node:assert/strict'
import { imageId } from './fake-neighbours.ts'
import type { AskOptions, NovaCloud } from './nova-cloud.ts'

export const serverBody = (name: string, more: object = {}) =>
  ({ server: { name, flavorRef: '42', imageRef: imageId, ...more } })

/** A server in BUILD. */
export const createServer = async (
  cloud: NovaCloud, name: string, more: object = {}, options: AskOptions = {},
): Promise<string> => {
  const answer = await cloud.ask('POST', '/v2.1/servers', { ...options, body: serverBody(name, more) })
  assert.equal(answer.status, 202, JSON.stringify(answer.body))
  return answer.body.server.id
}

/** A server in ACTIVE. */
export const bootServer = async (
  cloud: NovaCloud, name: string, more: object = {}, options: AskOptions = {},
): Promise<string> => {
  const id = await createServer(cloud, name, more, options)
  cloud.workloads.finish(id)
  await cloud.follow()
  return id
}

export const act = (cloud: NovaCloud, id: string, body: object, options: AskOptions = {}) =>
  cloud.ask('POST', `/v2.1/servers/${id}/action`, { ...options, body })

/** Gives the order and lets the host carry it out. */
export const actAndFinish = async (
  cloud: NovaCloud, id: string, body: object, options: AskOptions = {},
): Promise<void> => {
  const answer = await act(cloud, id, body, options)
  assert.ok(answer.status < 300, JSON.stringify(answer.body))
  cloud.workloads.finish(id)
  await cloud.follow()
}

export const show = async (cloud: NovaCloud, id: string, options: AskOptions = {}) =>
  (await cloud.ask('GET', `/v2.1/servers/${id}`, options)).body.server
