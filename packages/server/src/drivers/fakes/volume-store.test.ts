/** The fake keeps the promises of a real host's volumes. */
import { volumeStoreSuite } from '#drivers/volumes/volume-store-suite.ts'
import { createFakeVolumeStore } from './volume-store.ts'

volumeStoreSuite('fake', false, async () => ({ store: createFakeVolumeStore(), close: async () => undefined }))
