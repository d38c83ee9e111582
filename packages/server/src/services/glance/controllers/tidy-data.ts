/** Puts right what a killed process left: uploads that will never end, and bytes of images that are gone. */
import { defineController } from '#platform/controllers/controller.ts'
import { imageIdsAlive, imagesInStatus } from '../store/images.ts'
import type { Image } from '../store/tables.ts'
import { type ImageData, stagedKey } from '../manager/data.ts'
import type { GlanceParts } from '../manager/images.ts'

interface World {
  saving: Image[]
  alive: Set<string>
  blobs: { key: string; modifiedAt: number }[]
  now: number
}
export type TidyStep = { do: 'give-up'; imageId: string } | { do: 'remove'; key: string }

/** An upload without a process behind it is given up after this time; with one database and one process at once. */
const orphanGraceMs = 10 * 60_000

export const tidyPlan = (
  world: World,
  mine: { uploading: ReadonlySet<string>; alone: boolean; startedAt: number },
): TidyStep[] => {
  const stuck = world.saving.filter(
    ({ id, updatedAt }) =>
      !mine.uploading.has(id) && (mine.alone ? updatedAt < mine.startedAt : updatedAt < world.now - 24 * 3_600_000),
  )
  const keys = new Set([...world.alive].flatMap((id) => [id, stagedKey(id)]))
  const orphans = world.blobs.filter(
    ({ key, modifiedAt }) => !keys.has(key) && modifiedAt < world.now - orphanGraceMs,
  )
  return [
    ...stuck.map(({ id }): TidyStep => ({ do: 'give-up', imageId: id })),
    ...orphans.map(({ key }): TidyStep => ({ do: 'remove', key })),
  ]
}

export const tidyData = (parts: GlanceParts & { data: ImageData }) => {
  const startedAt = parts.clock.now()
  return defineController<World, TidyStep>({
    name: 'glance.tidy-data',
    about: 'Gives up uploads of dead processes and removes bytes of deleted images',
    wakesOn: ['glance.image.deleted'],
    everySeconds: 60,
    perPass: 100,
    observe: async () => ({
      saving: await imagesInStatus(parts.db, 'saving'),
      alive: await imageIdsAlive(parts.db),
      blobs: await parts.ports.blobs.list(),
      now: parts.clock.now(),
    }),
    plan: (world) =>
      tidyPlan(world, { uploading: parts.data.uploading, alone: parts.db.dialect === 'sqlite', startedAt }),
    key: (step) => (step.do === 'remove' ? step.key : step.imageId),
    act: (step) => (step.do === 'remove' ? parts.ports.blobs.remove(step.key) : parts.data.fail(step.imageId)),
  })
}
