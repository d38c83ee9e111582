/** Puts right what a killed process left: uploads that will never end, and bytes of images that are gone. */
import { defineController } from '#platform/controllers/controller.ts'
import { imagesAlive, type LivingImage } from '../store/held.ts'
import { type ImageData, stagedKey } from '../manager/data.ts'
import type { GlanceParts } from '../manager/images.ts'

interface World {
  images: LivingImage[]
  blobs: { key: string; modifiedAt: number }[]
  now: number
}
export type TidyStep = { do: 'give-up'; imageId: string } | { do: 'remove'; key: string }

/** An upload without a process behind it is given up after this time; with one database and one process at once. */
const orphanGraceMs = 10 * 60_000

/** Bytes aside are needed until their import is over. */
const neededKeys = ({ id, status }: LivingImage): string[] =>
  status === 'uploading' || status === 'importing' ? [id, stagedKey(id)] : [id]

export const tidyPlan = (
  { images, blobs, now }: World,
  mine: { uploading: ReadonlySet<string>; alone: boolean; startedAt: number },
): TidyStep[] => {
  const stored = new Set(blobs.map(({ key }) => key))
  const isReceiving = ({ id, status }: LivingImage): boolean =>
    status === 'saving' || (status === 'uploading' && !stored.has(stagedKey(id)))
  const isSilent = ({ seenAt }: LivingImage): boolean =>
    mine.alone ? seenAt < mine.startedAt : seenAt < now - orphanGraceMs
  const stuck = images.filter((image) => !mine.uploading.has(image.id) && isReceiving(image) && isSilent(image))
  const keys = new Set(images.flatMap(neededKeys))
  const orphans = blobs.filter(({ key, modifiedAt }) => !keys.has(key) && modifiedAt < now - orphanGraceMs)
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
    // The bytes first: an image that is staged meanwhile is then one that still receives.
    observe: async () => {
      const blobs = await parts.ports.blobs.list()
      return { blobs, images: await imagesAlive(parts.db), now: parts.clock.now() }
    },
    plan: (world) =>
      tidyPlan(world, { uploading: parts.data.uploading, alone: parts.db.dialect === 'sqlite', startedAt }),
    key: (step) => (step.do === 'remove' ? step.key : step.imageId),
    act: (step) => (step.do === 'remove' ? parts.ports.blobs.remove(step.key) : parts.data.fail(step.imageId)),
  })
}
