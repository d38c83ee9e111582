/** The real network stack behind a link keeps the promises of one at hand. */
import { conformHostNetwork } from '#drivers/fakes/host-network-conformance.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { Lab, labIsMissing } from '#drivers/linux-net/lab.ts'
import { hostMethods } from './host-methods.ts'
import { createRemoteNetwork, idInPath } from './remote-network.ts'
import { linkedPair } from './testing.ts'

conformHostNetwork(
  'linux-net behind a link',
  async () => {
    const lab = await Lab.create()
    const pair = linkedPair(hostMethods({ runtime: createFakeRuntime(), network: lab.host }))
    return {
      host: createRemoteNetwork(
        (method, args) => pair.near.call(method, args),
        () => lab.host.namespaceOf(idInPath),
      ),
      sandbox: async () => {
        const { id, pid, netns } = await lab.sandbox()
        return { workloadId: id, pid, netns }
      },
      close: async () => {
        await pair.close()
        await lab[Symbol.asyncDispose]()
      },
    }
  },
  { skip: labIsMissing },
)
