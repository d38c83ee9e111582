/** openstacksdk applies a network in Terraform's order and destroys it again; packets tell whether it was there. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cloud } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { runProgram } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const patience = { timeoutMs: 90_000, everyMs: 500 }
let cloud: Cloud
let applied: { server: string; floating: string; ids: string[] }

const life = async <T>(step: string): Promise<T> => {
  const args = [join(import.meta.dirname, 'sdk/life_of_a_network.py'), step, tag]
  const env = cloud.env('quaystone')
  return JSON.parse(await runProgram({ command: '/usr/bin/python3', args, env, cwd: cloud.directory })) as T
}

/** What the server says to somebody outside the cloud's networks. */
const page = async (): Promise<string> => {
  const reply = await fetch(`http://${applied.floating}/`, { signal: AbortSignal.timeout(2_000) })
  return (await reply.text()).trim()
}

before(async () => {
  cloud = await Cloud.start()
})
after(async () => {
  await cloud?.destroy()
})

test('group, rules, network, subnet, router, port, floating IP, server, association', async () => {
  applied = await life('apply')
  await eventually(patience, async () => assert.equal(await page(), applied.server))
})

test('what is in use stays, what is taken is not given twice, a stale revision changes nothing', async () => {
  await life('refuse')
  assert.equal(await page(), applied.server, 'no refusal left a mark')
})

test('everything is destroyed in the opposite order, and the host has nothing of it left', async () => {
  await life('destroy')
  await assert.rejects(page())
  await eventually(patience, async () => {
    const left = await cloud.leftovers()
    assert.deepEqual(
      left.filter((name) => applied.ids.some((id) => name.includes(id))),
      [],
    )
  })
})
