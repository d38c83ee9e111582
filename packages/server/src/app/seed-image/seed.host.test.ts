/** The built-in image is in Glance after the first start, once, and stays away when it was deleted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import { startTestCloud, type TestCloud } from '../testing.ts'
import { seedImage } from './seed.ts'

const said: string[] = []
const seed = (cloud: TestCloud) =>
  seedImage({ cloud, say: (line) => said.push(line), log: silentLog, clock: systemClock })

interface Listed {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly visibility: string
}

test('it is public and active, made once, and not made again after its deletion', async (t) => {
  const cloud = await startTestCloud()
  t.after(() => cloud.close())
  const token = await cloud.login('admin')
  const images = async (): Promise<Listed[]> => (await cloud.ask('GET', '/image/v2/images', { token })).body.images
  for (const time of ['first', 'second']) {
    await seed(cloud)
    const found = (await images()).map(({ name, status, visibility }) => ({ name, status, visibility }))
    assert.deepEqual(found, [{ name: 'busybox', status: 'active', visibility: 'public' }], `${time} start`)
  }
  const [image] = await images()
  assert.equal((await cloud.ask('DELETE', `/image/v2/images/${image!.id}`, { token })).status, 204)
  await seed(cloud)
  assert.deepEqual(await images(), [])
  assert.deepEqual(said, [])
})
