/** Puts the built-in image into Glance, once in a cloud's life: public, owned by the administrators' project. */
import { Readable } from 'node:stream'
import type { Clock } from '#platform/clock/clock.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import type { Cloud } from '../compose.ts'
import { buildSeedImage, findImagePrograms } from './build.ts'

export interface SeedRequest {
  readonly cloud: Pick<Cloud, 'facades' | 'db'>
  readonly say: (line: string) => void
  readonly log: Log
  readonly clock: Clock
}

/** The same in every cloud, so that a second start finds the first one's work, finished or not. */
export const seedImageId = 'b0075eed-0000-4000-8000-000000000001'
export const seedImageName = 'busybox'
const everyone = { projectId: '', isAdmin: true }

/** A cloud without the image still serves, so a failure is told, not thrown; the next start tries again. */
export async function seedImage({ cloud, say, log, clock }: SeedRequest): Promise<void> {
  try {
    const startedMs = clock.now()
    if (await wasFinished(cloud)) return
    await store(cloud)
    log.info({ image: seedImageId, tookMs: clock.now() - startedMs }, 'the built-in image is ready')
  } catch (error) {
    if (!isRefusal(error)) log.error({ err: error }, 'the built-in image could not be made')
    say(`The built-in image "${seedImageName}" is not there: ${(error as Error).message}`)
  }
}

/** True also when the image was deleted since: the administrator wanted that. */
async function wasFinished({ facades, db }: SeedRequest['cloud']): Promise<boolean> {
  const image = await facades.glance.imageFetch(seedImageId, everyone)
  if (image !== undefined) return image.status === 'active'
  const rows = db.as<{ glance_image: { id: string } }>().selectFrom('glance_image').select('id')
  return (await rows.where('id', '=', seedImageId).executeTakeFirst()) !== undefined
}

async function store({ facades }: SeedRequest['cloud']): Promise<void> {
  const { tar, hasSsh } = await buildSeedImage(findImagePrograms())
  const projects = await facades.keystone.projectsList()
  const owner = projects.find(({ name, domainId }) => name === 'admin' && domainId === 'default')
  if (owner === undefined) throw new Error('there is no project "admin" to own it')
  await facades.glance.snapshotEnsure({
    id: seedImageId,
    name: seedImageName,
    ownerId: owner.id,
    containerFormat: 'docker',
    diskFormat: 'raw',
    minDiskGiB: 0,
    minRamMiB: 0,
    properties: { description: `BusyBox with httpd on port 80${hasSsh ? ' and ssh on port 22' : ''}` },
    visibility: 'public',
  })
  await facades.glance.snapshotUpload(seedImageId, Readable.from([tar]))
}
