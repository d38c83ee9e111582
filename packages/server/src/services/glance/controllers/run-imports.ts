/** Runs import tasks: brings the bytes in, activates the image, or says on the task why it could not. */
import type { Readable } from 'node:stream'
import type { Log } from '#platform/log/log.ts'
import { defineController } from '#platform/controllers/controller.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { heldFetch } from '../store/held.ts'
import { imageFetch } from '../store/images.ts'
import { taskFinish, tasksOpen } from '../store/tasks.ts'
import type { Image, Task } from '../store/tables.ts'
import { type ImageData, stagedKey } from '../manager/data.ts'
import type { ImageQuota } from '../manager/image-quota.ts'
import type { GlanceParts } from '../manager/images.ts'

interface Step {
  task: Task
}

const minutesMax = 60

type ImportParts = GlanceParts & { data: ImageData; quota: ImageQuota; log: Log }

export const runImports = (parts: ImportParts) =>
  defineController<Task[], Step>({
    name: 'glance.run-imports',
    about: 'Brings imported images in: from the staging area, a URL or a registry',
    wakesOn: ['glance.task.created'],
    everySeconds: 30,
    perPass: 8,
    concurrency: 2,
    observe: (limit) => tasksOpen(parts.db, limit),
    plan: (tasks) => tasks.map((task) => ({ task })),
    key: ({ task }) => task.id,
    act: async ({ task }) => {
      const image = await imageFetch(parts.db, task.imageId)
      if (!image || image.status !== 'importing')
        return finish(parts, task, image?.status === 'active' ? '' : 'the image is gone')
      try {
        await bringIn(parts, task, image)
        await finish(parts, task, '')
      } catch (error) {
        if (!isRefusal(error)) parts.log.warn({ err: error, taskId: task.id }, 'image import failed')
        await parts.data.fail(image.id)
        await finish(parts, task, (error as Error).message)
      }
    },
  })

const bringIn = async (parts: ImportParts, task: Task, image: Image): Promise<void> => {
  const isStaged = task.method === 'glance-direct'
  const keptMiB = (await heldFetch(parts.db, image.id))?.amounts.image_size_total ?? 0
  const mayComeMiB = isStaged ? 0 : await parts.quota.welcome(image.ownerId, 'data')
  const data = await bytesOf(parts, task, image)
  try {
    await parts.data.activate(image, await parts.data.receive({ image, place: 'data', data, keptMiB, mayComeMiB }))
  } finally {
    data.destroy()
  }
}

const bytesOf = (parts: GlanceParts, task: Task, image: Image): Promise<Readable> => {
  if (task.method === 'glance-direct') return parts.ports.blobs.read(stagedKey(image.id))
  const source = parts.ports.sources[task.method as 'web-download' | 'docker-registry']
  return source.fetch(task.source ?? '', AbortSignal.timeout(minutesMax * 60_000))
}

const finish = (parts: GlanceParts, task: Task, problem: string): Promise<void> =>
  taskFinish(parts.db, task.id, problem ? 'failure' : 'success', problem, parts.clock.now())
