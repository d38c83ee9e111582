/** A network stack behind a link keeps every promise of one at hand. */
import { randomUUID } from 'node:crypto'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { createFakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { conformHostNetwork } from '#drivers/fakes/host-network-conformance.ts'
import { hostMethods } from './host-methods.ts'
import { createRemoteNetwork, idInPath } from './remote-network.ts'
import { linkedPair } from './testing.ts'

conformHostNetwork('fake network behind a link', async () => {
  const network = createFakeHostNetwork()
  const pair = linkedPair(hostMethods({ runtime: createFakeRuntime(), network }))
  return {
    host: createRemoteNetwork(
      (method, args) => pair.near.call(method, args),
      () => network.namespaceOf(idInPath),
    ),
    sandbox: async () => ({ workloadId: randomUUID(), pid: 1, netns: '/proc/1/ns/net' }),
    close: () => pair.close(),
  }
})
