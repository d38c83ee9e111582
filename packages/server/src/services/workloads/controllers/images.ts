/** Removes from hosts the images that Glance no longer has and no workload uses. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { imageForget, imagesInUse, imagesOfHost } from '../store/hosts.ts'
import { requireHost } from '../manager/parts.ts'
import type { Parts } from '../manager/parts.ts'

export interface ImageStep {
  hostName: string
  imageId: string
  reference: string
}

const anybody = { projectId: '', isAdmin: true }

export function imagesController(parts: Parts): Controller<ImageStep[], ImageStep> {
  return defineController<ImageStep[], ImageStep>({
    name: 'workloads.images',
    about: 'Removes images from hosts that nothing can be made from any more',
    wakesOn: [],
    everySeconds: 600,
    perPass: 50,
    observe: () => look(parts),
    plan: (unwanted) => unwanted,
    async act({ hostName, imageId, reference }) {
      await requireHost(parts.hosts, hostName).runtime.imageRemove(reference)
      await imageForget(parts.db, hostName, imageId)
    },
  })
}

async function look(parts: Parts): Promise<ImageStep[]> {
  const inUse = await imagesInUse(parts.db)
  const unwanted: ImageStep[] = []
  for (const host of parts.hosts.list()) {
    for (const { image_id: imageId, reference } of await imagesOfHost(parts.db, host.name)) {
      if (inUse.has(imageId)) continue
      if ((await parts.glance.imageFetch(imageId, anybody)) === undefined)
        unwanted.push({ hostName: host.name, imageId, reference })
    }
  }
  return unwanted
}
