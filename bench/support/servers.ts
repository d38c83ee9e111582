/** Servers of a benchmark: created, waited for, deleted, through the API only. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CloudProcess } from './cloud-process.ts'

export interface BootPlan { imageId: string; flavorId: string; networkId: string }

/** The first boot's image, smallest flavor and private network. */
export const bootPlan = async ({ ask }: CloudProcess): Promise<BootPlan> => {
  const images = await untilImage(ask)
  const flavors = await ask('GET', '/compute/v2.1/flavors/detail')
  const networks = await ask('GET', '/network/v2.0/networks?name=private')
  const flavor = flavors.body.flavors.find((one: any) => one.name === 'm1.nano')
  return { imageId: images[0].id, flavorId: flavor.id, networkId: networks.body.networks[0].id }
}

/** The image of the first boot is made in the background. */
const untilImage = async (ask: CloudProcess['ask']): Promise<any[]> => {
  for (let tries = 0; tries < 600; tries++) {
    const { body } = await ask('GET', '/image/v2/images?status=active')
    if (body.images?.length) return body.images
    await sleep(100)
  }
  throw new Error('the first boot made no image within a minute')
}

export const serverCreate = async ({ ask }: CloudProcess, plan: BootPlan, name: string): Promise<string> => {
  const server = { name, imageRef: plan.imageId, flavorRef: plan.flavorId, networks: [{ uuid: plan.networkId }] }
  const answer = await ask('POST', '/compute/v2.1/servers', { server })
  if (answer.status !== 202) throw new Error(`create answered ${answer.status}: ${JSON.stringify(answer.body)}`)
  return answer.body.server.id
}

/** Polls one server every `everyMs` until it is ACTIVE. */
export const untilActive = async ({ ask }: CloudProcess, id: string, everyMs = 10): Promise<void> => {
  for (;;) {
    const { body } = await ask('GET', `/compute/v2.1/servers/${id}`)
    if (body.server?.status === 'ACTIVE') return
    if (body.server?.status === 'ERROR') throw new Error(`server ${id}: ${JSON.stringify(body.server.fault)}`)
    await sleep(everyMs)
  }
}

/** Polls the whole list, for many servers at once. */
export const untilAll = async (
  { ask }: CloudProcess, ids: ReadonlySet<string>, state: 'ACTIVE' | 'gone',
): Promise<void> => {
  for (;;) {
    const { body } = await ask('GET', '/compute/v2.1/servers/detail?limit=1000')
    const mine = body.servers.filter((one: any) => ids.has(one.id))
    const failed = mine.find((one: any) => one.status === 'ERROR')
    if (failed) throw new Error(`server ${failed.id}: ${JSON.stringify(failed.fault)}`)
    const areActive = mine.length === ids.size && mine.every((one: any) => one.status === 'ACTIVE')
    if (state === 'gone' ? mine.length === 0 : areActive) return
    await sleep(500)
  }
}

export const serversDelete = async (cloud: CloudProcess, ids: string[]): Promise<void> => {
  await Promise.all(ids.map((id) => cloud.ask('DELETE', `/compute/v2.1/servers/${id}`)))
  await untilAll(cloud, new Set(ids), 'gone')
}
