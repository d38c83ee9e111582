/** Puts the built-in image into Glance, once in a cloud's life: public, owned by the administrators' project. */
import { createHash } from 'node:crypto'
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

const seedImageName = 'busybox'
const everyone = { projectId: '', isAdmin: true }

/** A cloud without the image still serves, so a failure is told, not thrown; the next start tries again. */
export async function seedImage({ cloud, say, log, clock }: SeedRequest): Promise<void> {
  try {
    const startedMs = clock.now()
    const ownerId = await administrators(cloud)
    const id = seedImageId(ownerId)
    if (await wasFinished(cloud, id)) return
    await store(cloud, id, ownerId)
    log.info({ image: id, tookMs: clock.now() - startedMs }, 'the built-in image is ready')
  } catch (error) {
    if (!isRefusal(error)) log.error({ err: error }, 'the built-in image could not be made')
    say(`The built-in image "${seedImageName}" is not there: ${(error as Error).message}`)
  }
}

/**
 * One id in a cloud's life, so that a second start finds the first one's work, finished or not; another in each cloud,
 * because hosts keep loaded images by their ids.
 */
function seedImageId(ownerId: string): string {
  const digits = createHash('sha256').update(`built-in image of ${ownerId}`).digest('hex')
  const [a, b, c, d, e] = [0, 8, 13, 17, 20].map((from, index) => digits.slice(from, from + [8, 4, 3, 3, 12][index]!))
  return `${a}-${b}-4${c}-8${d}-${e}`
}

async function administrators({ facades }: SeedRequest['cloud']): Promise<string> {
  const projects = await facades.keystone.projectsList()
  const owner = projects.find(({ name, domainId }) => name === 'admin' && domainId === 'default')
  if (owner === undefined) throw new Error('there is no project "admin" to own it')
  return owner.id
}

/** True also when the image was deleted since: the administrator wanted that. */
async function wasFinished({ facades, db }: SeedRequest['cloud'], id: string): Promise<boolean> {
  const image = await facades.glance.imageFetch(id, everyone)
  if (image !== undefined) return image.status === 'active'
  const rows = db.as<{ glance_image: { id: string } }>().selectFrom('glance_image').select('id')
  return (await rows.where('id', '=', id).executeTakeFirst()) !== undefined
}

async function store({ facades }: SeedRequest['cloud'], id: string, ownerId: string): Promise<void> {
  const { tar, hasSsh } = await buildSeedImage(findImagePrograms())
  await facades.glance.snapshotEnsure({
    id,
    name: seedImageName,
    ownerId,
    containerFormat: 'docker',
    diskFormat: 'raw',
    minDiskGiB: 0,
    minRamMiB: 0,
    properties: { description: `BusyBox with httpd on port 80${hasSsh ? ' and ssh on port 22' : ''}` },
    visibility: 'public',
  })
  await facades.glance.snapshotUpload(id, Readable.from([tar]))
}
