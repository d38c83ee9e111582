/** The rules of imports: a task row is written, the import controller does the work. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { heldFetch } from '../store/held.ts'
import { imageMove } from '../store/images.ts'
import { taskFetch, taskInsert, tasksList } from '../store/tasks.ts'
import type { Image, Task } from '../store/tables.ts'
import { imageOwned, imageSeen, viewerOf } from './access.ts'
import type { ImageQuota } from './image-quota.ts'
import type { GlanceParts } from './images.ts'

export const importMethods = ['glance-direct', 'web-download', 'docker-registry'] as const
export type ImportMethod = (typeof importMethods)[number]

export interface ImportRequest {
  name: ImportMethod
  uri?: string
  reference?: string
}

const sourceOf = (asked: ImportRequest): string | null => {
  if (asked.name === 'web-download') {
    if (!asked.uri || !/^https?:\/\//.test(asked.uri))
      throw badRequest("Image import method 'web-download' needs method.uri, an http or https URL", { field: 'uri' })
    return asked.uri
  }
  if (asked.name === 'docker-registry') {
    if (!asked.reference)
      throw badRequest(
        "Image import method 'docker-registry' needs method.reference, such as registry.example.org/team/app:1.2",
        { field: 'reference' },
      )
    return asked.reference
  }
  return null
}

const assertReady = (image: Image, asked: ImportRequest): void => {
  const wanted = asked.name === 'glance-direct' ? 'uploading' : 'queued'
  if (image.status !== wanted)
    throw conflict(
      `Image must be in '${wanted}' state to use the ${asked.name} import method; it is in '${image.status}'`,
    )
  if (!image.containerFormat) throw conflict("'container_format' needs to be set before import")
  if (!image.diskFormat) throw conflict("'disk_format' needs to be set before import")
}

export class Imports {
  readonly #parts: GlanceParts
  readonly #quota: ImageQuota
  constructor(parts: GlanceParts, quota: ImageQuota) {
    this.#parts = parts
    this.#quota = quota
  }

  async begin(ctx: RequestContext, imageId: string, asked: ImportRequest): Promise<Task> {
    const image = await imageOwned(this.#parts.db, imageId, ctx, 'modify_image')
    const source = sourceOf(asked)
    assertReady(image, asked)
    const now = this.#parts.clock.now()
    const task: Task = {
      id: uuid(),
      imageId,
      ownerId: ctx.projectId,
      userId: ctx.userId,
      requestId: ctx.requestId,
      method: asked.name,
      source,
      status: 'pending',
      message: '',
      createdAt: now,
      updatedAt: now,
    }
    if (source) await this.#quota.welcome(image.ownerId, 'data')
    await this.#parts.db.transaction(async (tx) => {
      // What is staged is known; what comes from elsewhere is counted as it comes.
      const dataMiB = (await heldFetch(tx, imageId))?.amounts.image_stage_total ?? 0
      const extra = { updated_at: now, seen_at: now, data_mib: dataMiB }
      await this.#quota.follow(tx, imageId, () => imageMove(tx, imageId, 'imported', extra))
      await taskInsert(tx, task)
      tx.emit('glance.task.created', { id: task.id })
    })
    return task
  }

  async ofImage(ctx: RequestContext, imageId: string): Promise<Task[]> {
    await imageSeen(this.#parts.db, imageId, viewerOf(ctx))
    return tasksList(this.#parts.db, { imageId })
  }

  list(ctx: RequestContext): Promise<Task[]> {
    return tasksList(this.#parts.db, ctx.isAdmin ? {} : { ownerId: ctx.projectId })
  }

  async fetch(ctx: RequestContext, id: string): Promise<Task> {
    const task = await taskFetch(this.#parts.db, id)
    if (task && (ctx.isAdmin || task.ownerId === ctx.projectId)) return task
    throw notFound(`Task ${id} could not be found`)
  }
}
