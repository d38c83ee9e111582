/** Volumes behind a link keep every promise of those at hand. */
import { createFakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { volumesAreMissing, VolumesLab } from '#drivers/volumes/testing.ts'
import { volumeStoreSuite } from '#drivers/volumes/volume-store-suite.ts'
import { hostMethods } from './host-methods.ts'
import { createRemoteVolumes } from './remote-volumes.ts'
import { linkedPair } from './testing.ts'

volumeStoreSuite('HostVolumes behind a link', volumesAreMissing, async () => {
  const lab = new VolumesLab()
  const parts = { runtime: createFakeRuntime(), network: createFakeHostNetwork(), volumes: lab.store }
  const pair = linkedPair(hostMethods(parts))
  return {
    store: createRemoteVolumes((method, args) => pair.near.call(method, args)),
    close: async () => {
      await pair.close()
      await lab[Symbol.asyncDispose]()
    },
  }
})
