/** What a dead cloud left on a machine is found by its mark and removed, and a living one's things stay. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { inSandbox, Lab, labIsMissing, labNetwork, labPort, noState, openGroup } from '#drivers/linux-net/lab.ts'
import type { HostNetworkState } from '#services/neutron/ports.ts'
import { knownClouds, noteCloud } from './known-clouds.ts'
import { machineHoldings } from './machine-holdings.ts'

const nobody = 4_194_305

/** A tenant's network and an external one, so that there are namespaces, links, rules and tables. */
async function cloudOn(lab: Lab): Promise<HostNetworkState> {
  const [network, group] = [labNetwork(), openGroup()]
  const outside = labNetwork(
    { external: true, masquerade: true, hostAddresses: [{ cidr: '172.24.4.1/24' }] },
    '172.24.4.0/24',
  )
  const port = inSandbox(labPort(network, 11, { securityGroupIds: [group.id] }), await lab.sandbox())
  return { ...noState(), networks: [network, outside], ports: [port], securityGroups: [group] }
}

test('the dead are reaped, the living and the unknown are not', { skip: labIsMissing }, async () => {
  await using lab = await Lab.create()
  const notes = mkdtempSync(join(tmpdir(), 'quaystone-notes-'))
  try {
    // As Docker sets it: the cloud then needs a rule of its own.
    await lab.in(lab.namespace(), 'iptables', '-P', 'FORWARD', 'DROP')
    await lab.host.sync(await cloudOn(lab))
    const machine = machineHoldings({ clock: systemClock, notes, hostNamespace: lab.namespace() })
    const mine = async () => (await machine.list()).find(({ tag }) => tag === lab.names.tag)
    assert.equal((await mine())?.life, 'unknown')
    noteCloud({ cloudId: lab.cloud, hostId: 'h1', dataDir: notes, pid: nobody }, notes)
    assert.equal((await mine())?.life, 'stopped')
    noteCloud({ cloudId: lab.cloud, hostId: 'h1', dataDir: join(notes, 'gone'), pid: nobody }, notes)
    const dead = await mine()
    assert.equal(dead?.life, 'dead')
    assert.deepEqual([...new Set(dead.things.map(({ kind }) => kind))].sort(), ['iptables', 'link', 'netns', 'nft'])
    await machine.reap(dead)
    await machine.reap(dead)
    assert.equal(await mine(), undefined)
    assert.equal(knownClouds(notes).size, 0)
    noteCloud({ cloudId: lab.cloud, hostId: 'h1', dataDir: join(notes, 'gone'), pid: nobody }, notes)
    await machine.forgetEmpty()
    assert.equal(knownClouds(notes).size, 0, 'a dead cloud without things is not remembered')
    assert.doesNotMatch((await lab.in(lab.namespace(), 'ip', '-br', 'link')).output, /qhl/)
  } finally {
    rmSync(notes, { recursive: true })
  }
})
