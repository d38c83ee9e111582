/** `cinder.volumes`: has hosts do what volumes are waiting for. */
import { defineController, type Controller } from '#platform/controllers/controller.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { snapshotsOfVolume } from '../store/snapshots.ts'
import { volumeFetch, volumesCloning, volumesWithTask, volumeTried } from '../store/volumes.ts'
import type { Volume } from '../manager/model.ts'
import { VolumeWork, type WorkParts } from './volume-work.ts'

export interface VolumesWaiting {
  volumes: Volume[]
  /** Volumes that others are copied from now, or that have snapshots: they are not deleted yet. */
  kept: Set<string>
}

const triesMax = 10
const finalKinds: ReadonlySet<string> = new Set(['badRequest', 'notFound', 'tooLarge', 'overLimit', 'unsupported'])

/** What is out of reach comes back; what cannot be, cannot. */
export const isFinal = (error: unknown, tries: number): boolean => {
  if (isRefusal(error) && error.kind === 'unavailable') return false
  return (isRefusal(error) && finalKinds.has(error.kind)) || tries + 1 >= triesMax
}

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const runVolumes = (parts: WorkParts): Controller<VolumesWaiting, Volume> => {
  const work = new VolumeWork(parts)
  return defineController<VolumesWaiting, Volume>({
    name: 'cinder.volumes',
    about: 'Has hosts make, grow, copy, move and delete volumes.',
    wakesOn: ['cinder.volume.changed', 'cinder.snapshot.changed', 'hosts.changed'],
    everySeconds: 15,
    perPass: 50,
    concurrency: 4,
    observe: (limit) => observe(parts, limit),
    plan: ({ volumes, kept }) => volumes.filter(({ id, task }) => task?.do !== 'delete' || !kept.has(id)),
    act: (seen) => act(parts, work, seen),
    key: ({ id }) => id,
  })
}

const observe = async ({ db }: WorkParts, limit: number): Promise<VolumesWaiting> => {
  const [volumes, kept] = await Promise.all([volumesWithTask(db, limit), volumesCloning(db)])
  for (const { id, task } of volumes) {
    if (task?.do === 'delete' && (await snapshotsOfVolume(db, id)).length > 0) kept.add(id)
  }
  return { volumes, kept }
}

/** What was seen may be old: the row decides whether there is still this to do. */
const act = async (parts: WorkParts, work: VolumeWork, seen: Volume): Promise<void> => {
  const volume = await parts.db.transaction(async (tx) => {
    const now = await volumeFetch(tx, seen.id)
    if (now?.task && now.task.do === seen.task?.do) await volumeTried(tx, seen.id)
    return now
  })
  const task = volume?.task
  if (!volume || !task || task.do !== seen.task?.do) return
  try {
    await work.run(volume, task)
  } catch (error) {
    if (!isFinal(error, volume.tries)) throw error
    parts.log.warn({ volume: volume.id, task: task.do, error }, 'A host cannot do what a volume asked for')
    await work.fail(volume, task, reasonOf(error))
  }
}
