/** Watchers are told of what others do to devices, rules and namespaces, and end when they are told to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inSandbox, Lab, labIsMissing, labNetwork, labPort, noState, openGroup, until } from './lab.ts'

test('a deleted bridge, a flushed rule set and a lost namespace wake the watcher', { skip: labIsMissing }, async () => {
  await using lab = await Lab.create()
  const network = labNetwork()
  const group = openGroup()
  const port = inSandbox(labPort(network, 11, { securityGroupIds: [group.id] }), await lab.sandbox())
  const wanted = { ...noState(), networks: [network], ports: [port], securityGroups: [group] }
  await lab.host.sync(wanted)
  const stop = new AbortController()
  let wakes = 0
  const watching = lab.host.watch(() => {
    wakes++
  }, stop.signal)
  await using _ = {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await watching
    },
  }
  // The monitors need a moment to listen: knock until they hear.
  let knocks = 0
  await until(async () => {
    await lab.in(lab.namespace(), 'ip', 'link', 'set', 'dev', 'lo', 'mtu', String(60_000 + knocks++))
    return wakes > 0
  })
  const wakesAfter = async (netns: string, ...command: string[]) => {
    await until(async () => {
      const before = wakes
      await lab.pings(lab.namespace(), '127.0.0.1')
      return wakes === before
    })
    const before = wakes
    const done = await lab.in(netns, ...command)
    assert.equal(done.ok, true, done.output)
    await until(() => wakes > before)
  }
  await wakesAfter(lab.host.namespaceOf(network.id), 'ip', 'link', 'del', 'dev', 'br')
  await wakesAfter(lab.host.namespaceOf(network.id), 'nft', 'flush', 'ruleset')
  await wakesAfter(lab.namespace(), 'nft', 'add', 'table', 'inet', 'stranger')
  await wakesAfter(lab.namespace(), 'ip', 'netns', 'del', lab.names.networkNamespace(network.id))
  stop.abort()
  await watching
})
