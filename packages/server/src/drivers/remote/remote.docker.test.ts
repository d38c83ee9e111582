/** A real Docker Engine behind a link over a real NATS server keeps every promise of an engine at hand. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { createNatsBus } from '#platform/bus/nats-bus.ts'
import { startNatsServer } from '#platform/bus/nats-server.ts'
import { uuid } from '#platform/ids/ids.ts'
import { silentLog } from '#platform/log/log.ts'
import { createDockerRuntime } from '#drivers/docker/docker-runtime.ts'
import { runtimeSuite } from '#drivers/docker/runtime-suite.ts'
import { busyboxRootTar, engineMissing, startTestEngine } from '#drivers/docker/testing.ts'
import { createFakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { hostMethods } from './host-methods.ts'
import { createRemoteRuntime } from './remote-runtime.ts'
import { linkedPair } from './testing.ts'

const name = "Debian's Docker Engine behind a link over NATS"
const missing = engineMissing()
if (missing) test(name, { skip: missing }, () => {})
else
  runtimeSuite(name, async () => {
    const [engine, server] = await Promise.all([startTestEngine(), startNatsServer()])
    const gateDir = await mkdtemp('/tmp/quaystone-gates-')
    await chmod(gateDir, 0o755)
    const docker = createDockerRuntime({ socketPath: engine.socketPath, cloudId: uuid(), gateDir, log: silentLog })
    const buses = await Promise.all([1, 2].map(() => createNatsBus({ url: server.url })))
    const serve = hostMethods({ runtime: docker, network: createFakeHostNetwork() })
    const pair = linkedPair(serve, { buses: { near: buses[0]!, far: buses[1]! } })
    await Promise.all(buses.map((bus) => bus.flush()))
    return {
      runtime: createRemoteRuntime((method, args) => pair.near.call(method, args)),
      rootTar: await busyboxRootTar(),
      close: async () => {
        await pair.close()
        await docker.close()
        await engine.stop()
        await server.stop()
        await rm(gateDir, { recursive: true })
      },
    }
  })
