/** What every host network promises, packets apart: one suite for the real driver and for the fake. */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { macFromBytes } from '#engines/cidr/mac.ts'
import type {
  HostNetwork,
  HostNetworkState,
  WantedNetwork,
  WantedPort,
  WantedSecurityGroup,
} from '#services/neutron/ports.ts'

export interface ConformanceHost {
  host: HostNetwork
  /** A place where a port can be plugged. */
  sandbox(): Promise<NonNullable<WantedPort['sandbox']>>
  close(): Promise<void>
}

const group = (): WantedSecurityGroup => ({ id: randomUUID(), stateful: true, rules: [], memberIps: [] })

const network = (): WantedNetwork => ({
  id: randomUUID(),
  segmentationId: 7,
  mtu: 1450,
  external: false,
  subnets: [],
  hostAddresses: [{ cidr: '10.66.0.2/24' }],
  remotes: [],
  names: [],
})

const portOn = (
  on: WantedNetwork,
  of: WantedSecurityGroup,
  sandbox: WantedPort['sandbox'],
  last: number,
): WantedPort => ({
  id: randomUUID(),
  networkId: on.id,
  mac: macFromBytes(randomBytes(3)),
  addresses: [{ ip: `10.66.0.${last}`, subnetId: 's', prefixLength: 24 }],
  mtu: 1450,
  adminUp: true,
  portSecurity: true,
  allowedAddressPairs: [],
  securityGroupIds: [of.id],
  device: 'eth0',
  primary: true,
  ...(sandbox && { sandbox }),
})

const nothing: HostNetworkState = { networks: [], ports: [], routers: [], securityGroups: [] }

export function conformHostNetwork(
  name: string,
  open: () => Promise<ConformanceHost>,
  options: { skip?: string | false } = {},
): void {
  const on = (sentence: string, work: (given: ConformanceHost) => Promise<void>): void => {
    test(sentence, async () => {
      const given = await open()
      try {
        await work(given)
      } finally {
        await given.close()
      }
    })
  }

  describe(`${name} keeps the promises of a host network`, { skip: options.skip ?? false }, () => {
    on(
      'a plugged port is wanted by nobody else, twice is once, and unplug leaves nothing of it',
      async ({ host, sandbox }) => {
        const [net, of] = [network(), group()]
        const port = portOn(net, of, await sandbox(), 5)
        await host.plug(net, port, [of])
        await host.plug(net, port, [of])
        const wanted = { ...nothing, networks: [net], securityGroups: [of] }
        assert.equal((await host.leaks(wanted)).length, 1)
        assert.deepEqual(await host.leaks({ ...wanted, ports: [port] }), [])
        await host.unplug(port.id)
        await host.unplug(port.id)
        assert.deepEqual(await host.leaks(wanted), [])
      },
    )

    on(
      'sync makes the wanted state, a second one does nothing, and an empty one removes all',
      async ({ host, sandbox }) => {
        const [net, of] = [network(), group()]
        const [placed, stopped] = [portOn(net, of, await sandbox(), 5), portOn(net, of, undefined, 6)]
        const wanted = { ...nothing, networks: [net], ports: [placed, stopped], securityGroups: [of] }
        const report = await host.sync(wanted)
        assert.deepEqual([report.portsUp, report.portsFailed, report.problems], [[placed.id], [], []])
        assert.notEqual(report.commands, 0)
        assert.equal((await host.sync(wanted)).commands, 0)
        assert.deepEqual(await host.leaks(wanted), [])
        assert.notDeepEqual(await host.leaks(nothing), [])
        await host.sync(nothing)
        assert.deepEqual(await host.leaks(nothing), [])
      },
    )

    on('a port that is down is not reported up', async ({ host, sandbox }) => {
      const [net, of] = [network(), group()]
      const port = { ...portOn(net, of, await sandbox(), 5), adminUp: false }
      const report = await host.sync({ ...nothing, networks: [net], ports: [port], securityGroups: [of] })
      assert.deepEqual([report.portsUp, report.portsFailed], [[], []])
    })

    on(
      'what cannot be plugged is refused by name, and the others are plugged all the same',
      async ({ host, sandbox }) => {
        const [net, of] = [network(), group()]
        const good = portOn(net, of, await sandbox(), 5)
        const bad: [WantedPort, RegExp][] = [
          [
            { ...portOn(net, of, await sandbox(), 6), mac: 'ff:ff:ff:ff:ff:ff' },
            /ff:ff:ff:ff:ff:ff is not a MAC address/,
          ],
          [
            { ...good, id: randomUUID(), addresses: [{ ip: '10.66.0.256', subnetId: 's', prefixLength: 24 }] },
            /10\.66\.0\.256 is not an IP/,
          ],
          [{ ...good, id: randomUUID(), securityGroupIds: ['nobody'] }, /security group nobody is not given/],
          [{ ...good, id: randomUUID(), networkId: 'nowhere' }, /network nowhere is not given/],
        ]
        for (const [port, words] of bad) await assert.rejects(host.plug(net, port, [of]), words)
        const report = await host.sync({
          ...nothing,
          networks: [net],
          ports: [...bad.map(([port]) => port), good],
          securityGroups: [of],
        })
        assert.deepEqual(report.portsUp, [good.id])
        assert.deepEqual(
          report.portsFailed.map((failure) => failure.portId).sort(),
          bad.map(([port]) => port.id).sort(),
        )
      },
    )

    on('a watcher ends when it is told to', async ({ host }) => {
      const stop = new AbortController()
      const watching = host.watch(() => undefined, stop.signal)
      stop.abort()
      await watching
    })

    on('each network has a namespace of its own', async ({ host }) => {
      assert.match(host.namespaceOf('a'), /^\/run\/netns\//)
      assert.notEqual(host.namespaceOf('a'), host.namespaceOf('b'))
    })
  })
}
