/** Three hosts: servers spread, reach each other over the wire, and outlive agents, bridges and the control plane. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { Api } from './support/api.ts'
import { eventually } from './support/eventually.ts'
import { HostsLab, type LabHost } from './support/hosts-lab.ts'

const slowMs = 180_000

interface Server {
  readonly id: string
  readonly name: string
  readonly host: LabHost
  readonly ip: string
  readonly portId: string
  /** Path of the container's network namespace. */
  readonly netns: string
}

describe('a cloud of three hosts', { timeout: 1_500_000 }, () => {
  let lab: HostsLab
  let demo: Api
  let admin: Api
  let network: any
  let servers: Server[] = []

  before(async () => {
    lab = await HostsLab.create()
    demo = new Api(lab, 'quaystone')
    admin = new Api(lab, 'quaystone-admin')
    const token = (await lab.quaystone('hosts', 'token')).trim()
    for (const name of ['h1', 'h2', 'h3']) await lab.addHost(name, token)
    await hostsAre({ h1: 'up', h2: 'up', h3: 'up' })
    await eventually({ timeoutMs: slowMs }, async () => {
      const { body } = await demo.ask('GET', '/image/v2/images?status=active')
      assert.equal(body.images.length, 1, 'the image is not there yet')
    })
    network = (await demo.ask('GET', '/network/v2.0/networks?name=private')).body.networks[0]
  })
  after(() => lab?.destroy())

  /** Says what the processes said when a story fails. */
  const story = (name: string, tell: () => Promise<void>): void => {
    test(name, async () => {
      try {
        await tell()
      } catch (error) {
        process.stderr.write(`${lab.logs()}\n`)
        throw error
      }
    })
  }

  async function hostsAre(expected: Record<string, string>): Promise<void> {
    await eventually({ timeoutMs: slowMs, everyMs: 500 }, async () => {
      const { body } = await admin.ask('GET', '/compute/v2.1/os-services?binary=nova-compute')
      const states = Object.fromEntries(body.services.map(({ host, state }: any) => [host, state]))
      assert.deepEqual(states, expected, lab.logs())
    })
  }

  const boot = async (api: Api, name: string, networkId: string, metadata = {}): Promise<string> => {
    const [image] = (await api.ask('GET', '/image/v2/images?status=active')).body.images
    const { flavors } = (await api.ask('GET', '/compute/v2.1/flavors')).body
    const flavorRef = flavors.find((one: any) => one.name === 'm1.nano').id
    const server = { name, imageRef: image.id, flavorRef, networks: [{ uuid: networkId }], metadata }
    const { status, body } = await api.ask('POST', '/compute/v2.1/servers', { server })
    assert.equal(status, 202, JSON.stringify(body))
    return body.server.id
  }

  const booted = async (id: string): Promise<Server> =>
    await eventually({ timeoutMs: slowMs, everyMs: 300 }, async () => {
      const { server } = (await admin.ask('GET', `/compute/v2.1/servers/${id}`)).body
      assert.equal(server.status, 'ACTIVE', `${server.status} ${JSON.stringify(server.fault)}`)
      const [port] = (await admin.ask('GET', `/network/v2.0/ports?device_id=${id}`)).body.ports
      const host = lab.hosts.find(({ name }) => name === server['OS-EXT-SRV-ATTR:host'])!
      return {
        id,
        host,
        name: server.name,
        ip: port.fixed_ips[0].ip_address,
        portId: port.id,
        netns: await netnsOf(host, id),
      }
    })

  const docker = async (host: LabHost, ...args: string[]): Promise<string> => {
    const { ok, output } = await lab.on(host, 'docker', '-H', `unix://${host.engine.socketPath}`, ...args)
    assert.ok(ok, output)
    return output.trim()
  }
  const containerOf = (host: LabHost, id: string): Promise<string> =>
    docker(host, 'ps', '-q', '--filter', `label=org.quaystone.workload=${id}`)
  const netnsOf = async (host: LabHost, id: string): Promise<string> => {
    const pid = await docker(host, 'inspect', '-f', '{{.State.Pid}}', await containerOf(host, id))
    return `/proc/${pid}/ns/net`
  }

  const bootAll = async (api: Api, names: string[], networkId: string): Promise<Server[]> => {
    const ids = await Promise.all(names.map((name) => boot(api, name, networkId)))
    return await Promise.all(ids.map(booted))
  }
  const on = (name: string): Server => servers.find(({ host }) => host.name === name)!
  const pings = async (from: Server, address: string): Promise<boolean> =>
    (await lab.within(from.netns, 'ping', '-n', '-c1', '-W1', address)).ok
  const reaches = (from: Server, address: string): Promise<void> =>
    eventually({ timeoutMs: 60_000 }, async () => {
      const to = servers.find(({ ip }) => ip === address)
      assert.ok(await pings(from, address), `${from.name} on ${from.host.name} to ${address} on ${to?.host.name}`)
    })
  const pageOf = async (netns: string, address: string): Promise<string> => {
    const script = `fetch('http://${address}/', { signal: AbortSignal.timeout(3000) })
      .then((reply) => reply.text()).then((page) => console.log(page))`
    const { ok, output } = await lab.within(netns, process.execPath, '-e', script)
    assert.ok(ok, output)
    return output
  }

  story('servers spread over the hosts, and Neutron and Placement know where', async () => {
    servers = await bootAll(demo, ['a', 'b', 'c', 'd', 'e', 'f'], network.id)
    const counts = Map.groupBy(servers, ({ host }) => host.name)
    assert.deepEqual([...counts].map(([name, list]) => [name, list.length]).sort(), [
      ['h1', 2],
      ['h2', 2],
      ['h3', 2],
    ])
    const { body } = await admin.ask('GET', '/network/v2.0/agents')
    assert.deepEqual(body.agents.map(({ host, alive }: any) => `${host} ${alive}`).sort(), [
      'h1 true',
      'h2 true',
      'h3 true',
    ])
    const providers = (await admin.ask('GET', '/placement/resource_providers')).body.resource_providers
    for (const { uuid, name } of providers) {
      const { usages } = (await admin.ask('GET', `/placement/resource_providers/${uuid}/usages`)).body
      assert.equal(usages.VCPU, 2, name)
    }
  })

  story('on every host a container learns who it is, and its neighbours by name', async () => {
    const inside = async ({ host, id }: Server, ...command: string[]): Promise<string> =>
      docker(host, 'exec', await containerOf(host, id), 'timeout', '10', ...command)
    for (const server of ['h1', 'h2', 'h3'].map(on)) {
      const neighbour = servers.find(({ host }) => host !== server.host)!
      await eventually({ timeoutMs: slowMs, everyMs: 500 }, async () => {
        const document = await inside(server, 'wget', '-qO-', 'http://169.254.169.254/openstack/latest/meta_data.json')
        assert.equal(JSON.parse(document).uuid, server.id)
        assert.ok((await inside(server, 'nslookup', neighbour.name)).includes(neighbour.ip), neighbour.name)
      })
    }
  })

  story('each reaches each over the wire: ping, HTTP, and the largest packet whole', async () => {
    for (const from of servers) for (const to of servers) await reaches(from, to.ip)
    assert.notEqual(await pageOf(on('h1').netns, on('h2').ip), '')
    assert.notEqual(await pageOf(on('h2').netns, on('h3').ip), '')
    assert.equal(network.mtu, 1450)
    for (const [from, to] of [
      ['h1', 'h2'],
      ['h3', 'h1'],
    ] as const) {
      const big = ['ping', '-n', '-c1', '-W2', '-M', 'do', '-s']
      assert.ok((await lab.within(on(from).netns, ...big, '1422', on(to).ip)).ok, 'the largest packet passes')
      assert.ok(!(await lab.within(on(from).netns, ...big, '1423', on(to).ip)).ok, 'a larger one does not')
    }
    for (const { namespace, name } of lab.hosts) {
      const { output } = await lab.within(namespace, 'sh', '-c', 'grep ^Ip: /proc/net/snmp')
      const [names, values] = output.split('\n').map((line) => line.split(' '))
      assert.equal(values![names!.indexOf('FragCreates')], '0', `${name} cut packets into pieces`)
    }
  })

  story('two tenants with the same prefix on the same hosts never meet', async () => {
    const [subnet] = (await demo.ask('GET', `/network/v2.0/subnets?network_id=${network.id}`)).body.subnets
    const other = (await admin.ask('POST', '/network/v2.0/networks', { network: { name: 'twin' } })).body.network
    const twin = { network_id: other.id, cidr: subnet.cidr, ip_version: 4 }
    assert.equal((await admin.ask('POST', '/network/v2.0/subnets', { subnet: twin })).status, 201)
    const twins = await bootAll(admin, ['x', 'y', 'z'], other.id)
    const [first, ...rest] = twins as [Server, ...Server[]]
    for (const { ip } of rest) await reaches(first, ip)
    const theirs = new Set(twins.map(({ ip }) => ip))
    const strangers = servers.filter(({ ip }) => !theirs.has(ip))
    assert.ok(strangers.length > 0)
    for (const { ip } of strangers) assert.equal(await pings(first, ip), false, `${first.name} met ${ip}`)
    for (const { id } of twins) await admin.ask('DELETE', `/compute/v2.1/servers/${id}`)
  })

  story('security groups hold between hosts: what is denied is not seen, what is allowed is', async () => {
    const group = { name: 'closed' }
    const { body } = await demo.ask('POST', '/network/v2.0/security-groups', { security_group: group })
    const { id } = body.security_group
    const [from, to] = [on('h1'), on('h2')]
    const before = (await demo.ask('GET', `/network/v2.0/ports/${to.portId}`)).body.port.security_groups
    await demo.ask('PUT', `/network/v2.0/ports/${to.portId}`, { port: { security_groups: [id] } })
    await eventually({ timeoutMs: 60_000 }, async () => assert.equal(await pings(from, to.ip), false))
    const rule = { security_group_id: id, direction: 'ingress', protocol: 'icmp', remote_ip_prefix: `${from.ip}/32` }
    await demo.ask('POST', '/network/v2.0/security-group-rules', { security_group_rule: rule })
    await reaches(from, to.ip)
    assert.equal(await pings(on('h3'), to.ip), false, 'the rule names one address only')
    await demo.ask('PUT', `/network/v2.0/ports/${to.portId}`, { port: { security_groups: before } })
    await reaches(on('h3'), to.ip)
  })

  story('a floating IP of a server on another host than the router is reached from outside', async () => {
    const to = on('h3')
    const [external] = (await demo.ask('GET', '/network/v2.0/networks?router:external=true')).body.networks
    const [group] = (await demo.ask('GET', `/network/v2.0/ports/${to.portId}`)).body.port.security_groups
    const rule = {
      security_group_id: group,
      direction: 'ingress',
      protocol: 'tcp',
      port_range_min: 80,
      port_range_max: 80,
    }
    await demo.ask('POST', '/network/v2.0/security-group-rules', { security_group_rule: rule })
    const floatingip = { floating_network_id: external.id, port_id: to.portId }
    const { status, body } = await demo.ask('POST', '/network/v2.0/floatingips', { floatingip })
    assert.equal(status, 201, JSON.stringify(body))
    const address = body.floatingip.floating_ip_address
    const page = await eventually({ timeoutMs: 60_000 }, () => pageOf(lab.outside, address))
    assert.notEqual(page, '')
  })

  story('agents are killed and started again under traffic, and no connection is lost', async () => {
    const [from, to] = [on('h1'), on('h2')]
    await using stream = await Stream.open(from, to)
    await stream.flows()
    for (const host of [from.host, to.host]) await lab.killAgent(host)
    await stream.flows()
    for (const host of [from.host, to.host]) lab.startAgent(host)
    await hostsAre({ h1: 'up', h2: 'up', h3: 'up' })
    await settledOn(from.host)
    await stream.flows()
    assert.equal(stream.connections, 1, 'it is still the first connection')
  })

  /** The cloud has brought the host in line since its agent came back: another server can be plugged there. */
  const settledOn = async (host: LabHost): Promise<void> => {
    await eventually({ timeoutMs: slowMs }, () => {
      assert.match(lab.logTail(`${host.name}.log`), /The cloud opened a link/)
    })
  }

  const bridgeGone = (host: LabHost) => async (): Promise<void> => {
    const { output } = await lab.on(host, 'sh', '-c', 'ls /run/netns')
    const namespace = output.split('\n').find((name) => name.endsWith(network.id))!
    const { ok, output: why } = await lab.on(host, 'ip', '-n', namespace, 'link', 'delete', 'dev', 'br')
    assert.ok(ok, `${namespace} of ${output}: ${why}`)
  }

  /** Prints how long it took: the goal is 5 s on an idle machine, but no clock decides here. */
  const heals = async (what: string, meddle: () => Promise<void>): Promise<void> => {
    const [from, to] = [on('h1'), on('h2')]
    await reaches(from, to.ip)
    await meddle()
    const brokenAt = performance.now()
    await reaches(from, to.ip)
    process.stdout.write(`# ${what}: whole again after ${Math.round(performance.now() - brokenAt)} ms\n`)
  }

  story('a bridge that is deleted by hand is put back', () => heals('bridge deleted', bridgeGone(lab.hosts[0]!)))

  story('while the control plane is dead, hosts go on and put back what is taken from them', async () => {
    await lab.killCloud()
    for (const from of servers) await reaches(from, on('h1').ip)
    await heals('bridge deleted, no control plane', bridgeGone(lab.hosts[0]!))
    await heals('agent started anew, no control plane', async () => {
      await lab.killAgent(lab.hosts[0]!)
      await bridgeGone(lab.hosts[0]!)()
      lab.startAgent(lab.hosts[0]!)
    })
    await lab.startCloud()
    await hostsAre({ h1: 'up', h2: 'up', h3: 'up' })
  })

  story(
    'while the control plane is dead, an engine that is killed and started gets its servers their network',
    async () => {
      const kept = await booted(await boot(demo, 'kept', network.id, { 'docker:restart': 'always' }))
      servers.push(kept)
      const from = servers.find(({ host }) => host !== kept.host)!
      await reaches(from, kept.ip)
      await lab.killCloud()
      await kept.host.engine.restart({ hard: true })
      const backAt = performance.now()
      await reaches(from, kept.ip)
      process.stdout.write(
        `# engine killed and started: ${Math.round(performance.now() - backAt)} ms after it serves\n`,
      )
      await lab.startCloud()
      await hostsAre({ h1: 'up', h2: 'up', h3: 'up' })
      const others = servers.filter(({ host, id }) => host === kept.host && id !== kept.id)
      for (const { id } of others) {
        await eventually({ timeoutMs: slowMs, everyMs: 300 }, async () => {
          const { server } = (await demo.ask('GET', `/compute/v2.1/servers/${id}`)).body
          assert.equal(server.status, 'SHUTOFF', 'what had no restart policy ended with its engine')
        })
        await demo.ask('POST', `/compute/v2.1/servers/${id}/action`, { 'os-start': null })
      }
      for (const { id } of others) await booted(id)
      servers = await Promise.all(servers.map(({ id }) => booted(id)))
    },
  )

  story('a host that is down keeps its servers and gets no new ones', async () => {
    const [, , lost] = lab.hosts as [LabHost, LabHost, LabHost]
    for (const { ip } of servers) await reaches(on('h1'), ip)
    await lab.killAgent(lost)
    await hostsAre({ h1: 'up', h2: 'up', h3: 'down' })
    const { agents } = (await admin.ask('GET', '/network/v2.0/agents?host=h3')).body
    assert.equal(agents[0].alive, false)
    const fresh = await bootAll(demo, ['g', 'h'], network.id)
    servers.push(...fresh)
    assert.ok(fresh.every(({ host }) => host.name !== 'h3'))
    for (const { ip } of servers) await reaches(on('h1'), ip)
    const kept = (await admin.ask('GET', `/compute/v2.1/servers/${on('h3').id}`)).body.server
    assert.equal(kept.status, 'ACTIVE')
    lab.startAgent(lost)
    await hostsAre({ h1: 'up', h2: 'up', h3: 'up' })
    for (const newcomer of fresh) await reaches(newcomer, on('h3').ip)
  })

  story('when all servers are deleted, no host has anything of them', async () => {
    for (const { id } of servers) assert.equal((await demo.ask('DELETE', `/compute/v2.1/servers/${id}`)).status, 204)
    await eventually({ timeoutMs: slowMs, everyMs: 500 }, async () => {
      for (const host of lab.hosts) {
        const socket = `unix://${host.engine.socketPath}`
        const { output } = await lab.on(host, 'docker', '-H', socket, 'ps', '-aq')
        assert.equal(output, '', `${host.name} has containers`)
      }
    })
    await eventually({ timeoutMs: slowMs, everyMs: 500 }, async () => {
      for (const host of lab.hosts.slice(1)) {
        const { output } = await lab.on(host, 'sh', '-c', 'ls /run/netns')
        assert.deepEqual(
          output.split('\n').filter((name) => name.startsWith('qnt-')),
          [],
          `${host.name} has networks`,
        )
      }
    })
  })
})

const echo = `require('net').createServer((s) => s.pipe(s)).listen(7777, () => console.log('ready'))`
const talk = (address: string): string => `
const net = require('net')
const open = () => {
  console.log('open')
  const socket = net.connect(7777, '${address}')
  const timer = setInterval(() => socket.write('x'), 100)
  socket.on('data', () => console.log('echo'))
  socket.on('error', () => undefined)
  socket.on('close', () => { clearInterval(timer); setTimeout(open, 200) })
}
open()`

/** A TCP connection between two servers on which something is said all the time. */
class Stream {
  readonly #children: ChildProcess[]
  #said = ''
  private constructor(children: ChildProcess[]) {
    this.#children = children
  }

  static async open(from: Server, to: Server): Promise<Stream> {
    const inside = (netns: string, script: string): ChildProcess =>
      spawn('nsenter', [`--net=${netns}`, process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const listener = inside(to.netns, echo)
    await new Promise((resolve) => listener.stdout!.once('data', resolve))
    const talker = inside(from.netns, talk(to.ip))
    const stream = new Stream([listener, talker])
    talker.stdout!.on('data', (chunk: Buffer) => (stream.#said += chunk.toString()))
    return stream
  }

  get connections(): number {
    return this.#said.split('open').length - 1
  }

  /** Resolves when more has come back than before. */
  async flows(): Promise<void> {
    const before = this.#said.length
    await eventually({ timeoutMs: 60_000 }, () => assert.ok(this.#said.length > before + 50, 'nothing comes back'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}
