/** An engine behind a link keeps every promise of an engine at hand. */
import { buffer } from 'node:stream/consumers'
import { runtimeSuite } from '#drivers/docker/runtime-suite.ts'
import { tarOf } from '#drivers/docker/suite-bench.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { createFakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { hostMethods } from './host-methods.ts'
import { createRemoteRuntime } from './remote-runtime.ts'
import { linkedPair } from './testing.ts'

runtimeSuite('fake engine behind a link', async () => {
  const pair = linkedPair(hostMethods({ runtime: createFakeRuntime(), network: createFakeHostNetwork() }))
  return {
    runtime: createRemoteRuntime((method, args) => pair.near.call(method, args)),
    rootTar: await buffer(tarOf({ 'bin/busybox': '' })),
    close: () => pair.close(),
  }
})
