/** The real driver keeps the promises that the fake keeps. */
import { conformHostNetwork } from '#drivers/fakes/host-network-conformance.ts'
import { Lab, labIsMissing } from './lab.ts'

conformHostNetwork(
  'linux-net',
  async () => {
    const lab = await Lab.create()
    return {
      host: lab.host,
      sandbox: async () => {
        const { id, pid, netns } = await lab.sandbox()
        return { workloadId: id, pid, netns }
      },
      close: () => lab[Symbol.asyncDispose](),
    }
  },
  { skip: labIsMissing },
)
