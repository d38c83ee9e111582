/** Agents on fake machines join a cloud in this process: who gets in, what is seen of them, when they are lost. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '#drivers/docker/suite-bench.ts'
import { startTestCloud, type TestCloud } from '../testing.ts'
import type { Agent } from './agent.ts'
import { FakeMachine } from './testing.ts'

describe('agents on two machines', () => {
  let cloud: TestCloud
  let token: string
  const admin = async (method: string, url: string, body?: unknown) =>
    await cloud.ask(method, url, { token: await cloud.login('admin'), body })
  const newToken = async (draft: object = {}): Promise<{ id: string; token: string }> =>
    (await admin('POST', '/hosts/v1/tokens', { token: draft })).body.token
  const states = async (): Promise<Record<string, string>> => {
    const { body } = await admin('GET', '/hosts/v1/hosts')
    return Object.fromEntries(body.hosts.map(({ name, state }: any) => [name, state]))
  }
  const north = new FakeMachine('north', '192.0.2.1')
  const south = new FakeMachine('south', '192.0.2.2')
  const agents: Agent[] = []
  const startAgent = async (machine: FakeMachine, secret = token): Promise<Agent> => {
    const agent = machine.agent(cloud.bus, secret)
    agents.push(agent)
    await agent.start()
    return agent
  }

  before(async () => {
    cloud = await startTestCloud({ takesAgents: true })
    token = (await newToken()).token
  })
  after(async () => {
    await Promise.all(agents.map((agent) => agent.stop()))
    await cloud.close()
  })

  test('a host that joins is seen by Nova, Placement and Neutron', async () => {
    await startAgent(north)
    await startAgent(south)
    await eventually('both are up', async () => {
      const { body } = await admin('GET', '/compute/v2.1/os-services?binary=nova-compute')
      return body.services.filter(({ state }: any) => state === 'up').length === 2
    })
    const { body: agentList } = await admin('GET', '/network/v2.0/agents')
    assert.deepEqual(
      agentList.agents.map(({ host, alive }: any) => [host, alive]),
      [
        ['north', true],
        ['south', true],
      ],
    )
    const { body: providers } = await admin('GET', '/placement/resource_providers')
    assert.deepEqual(providers.resource_providers.map(({ name }: any) => name).sort(), ['north', 'south'])
  })

  test('tokens: damaged, unknown, of another host, revoked; and a name that is taken', async () => {
    const refused = (machine: FakeMachine, secret: string, words: RegExp) =>
      assert.rejects(machine.agent(cloud.bus, secret).start(), words)
    const west = () => new FakeMachine('west', '192.0.2.3')
    await refused(west(), 'qst1.nonsense', /damaged, or is none/)
    await refused(west(), `${token}x`, /not one of this cloud's/)
    await refused(west(), (await newToken({ host: 'east' })).token, /for host east, not for west/)
    const gone = await newToken()
    assert.equal((await admin('DELETE', `/hosts/v1/tokens/${gone.id}`)).status, 204)
    await refused(west(), gone.token, /revoked or has expired/)
    await refused(new FakeMachine('north', '192.0.2.9'), token, /belongs to another machine/)
    await refused(new FakeMachine('a b', '192.0.2.9'), token, /no name for a host/)
    await refused(new FakeMachine('west', 'west.example'), token, /no IP address/)
    assert.equal((await states()).west, undefined)
  })

  test('an agent that stops is down, its name is forgotten only then, and it comes back under its name', async () => {
    const west = new FakeMachine('west', '192.0.2.3')
    const agent = await startAgent(west)
    await eventually('west is up', async () => (await states()).west === 'up')
    assert.equal((await admin('DELETE', '/hosts/v1/hosts/west')).status, 409)
    await agent.stop()
    await eventually('west is down', async () => (await states()).west === 'down')
    await eventually('Nova knows', async () => {
      const { body } = await admin('GET', '/compute/v2.1/os-services?host=west&binary=nova-compute')
      return body.services[0]?.state === 'down'
    })
    const { body } = await admin('GET', '/network/v2.0/agents?host=west')
    assert.equal(body.agents[0].alive, false)
    const again = await startAgent(west)
    await eventually('west is up again', async () => (await states()).west === 'up')
    await again.stop()
    await eventually('west is down', async () => (await states()).west === 'down')
    assert.equal((await admin('DELETE', '/hosts/v1/hosts/west')).status, 204)
    assert.equal((await states()).west, undefined)
  })

  test('a host whose token is revoked is shut out', async () => {
    const { id, token: own } = await newToken({ host: 'west' })
    const agent = await startAgent(new FakeMachine('west', '192.0.2.4'), own)
    await eventually('west is up', async () => (await states()).west === 'up')
    await admin('DELETE', `/hosts/v1/tokens/${id}`)
    await eventually('west is shut out', async () => (await states()).west === 'down')
    await agent.stop()
  })

  test('nobody but the operator sees hosts or makes tokens', async () => {
    const demo = await cloud.login('demo')
    assert.equal((await cloud.ask('GET', '/hosts/v1/hosts', { token: demo })).status, 403)
    assert.equal((await cloud.ask('POST', '/hosts/v1/tokens', { token: demo, body: { token: {} } })).status, 403)
    const { body } = await admin('GET', '/hosts/v1/tokens')
    assert.ok(body.tokens.every((one: object) => !('token' in one) && !('hash' in one)))
  })
})
