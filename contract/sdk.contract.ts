/** openstacksdk, in a process of its own, drives the life of a server; Docker and HTTP are asked between its steps. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { buildSeedImage, findImagePrograms } from '../packages/server/src/app/seed-image/build.ts'
import { Cloud, type Person } from './support/cloud.ts'
import { addressesIn, containerOf } from './support/containers.ts'
import { eventually } from './support/eventually.ts'
import { runProgram } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const serverName = `sdk-${tag}`
let cloud: Cloud
let created: { server: string; address: string; ramMiB: number }

async function script<T>(person: Person, name: string, ...args: string[]): Promise<T> {
  const path = join(import.meta.dirname, 'sdk', name)
  const text = await runProgram({
    command: '/usr/bin/python3',
    args: [path, ...args],
    env: cloud.env(person),
    cwd: cloud.directory,
  })
  return JSON.parse(text) as T
}

const life = <T>(step: string): Promise<T> =>
  script<T>('quaystone', 'life_of_a_server.py', step, tag, join(cloud.directory, 'image.tar'))

before(async () => {
  cloud = await Cloud.start()
  const { tar } = await buildSeedImage(findImagePrograms())
  writeFileSync(join(cloud.directory, 'image.tar'), tar)
})

after(async () => {
  await cloud?.destroy()
})

test('projects, users, roles, groups and application credentials', async () => {
  const { region } = await script<{ region: string }>('quaystone-admin', 'identity.py', tag)
  assert.equal(typeof region, 'string')
})

test('image, network, port, key pair and server: Docker runs it with the flavor and the address', async () => {
  created = await life('create')
  const found = await containerOf(cloud, serverName)
  assert.equal(found?.State.Running, true)
  assert.equal(found?.HostConfig.Memory, created.ramMiB * 1024 * 1024)
  assert.ok(addressesIn(found).includes(created.address))
})

test('the server answers over its address', async () => {
  const body = await eventually({ timeoutMs: 30_000 }, async () => (await fetch(`http://${created.address}/`)).text())
  assert.equal(body.trim(), serverName)
})

test('stop, start, pause, suspend, reboot, rename, console, snapshot, and the list of actions', async () => {
  await life('change')
  assert.equal((await containerOf(cloud, serverName))?.State.Running, true)
})

test('everything is deleted, and Docker has nothing of it', async () => {
  await life('delete')
  assert.equal(await containerOf(cloud, serverName), undefined)
})
