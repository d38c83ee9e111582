/** `cinder.snapshots`: has hosts take and delete snapshots of volumes. */
import { defineController, type Controller } from '#platform/controllers/controller.ts'
import { unavailable } from '#platform/errors/errors.ts'
import type { VolumeStore } from '../ports.ts'
import { giveBack } from '../manager/charges.ts'
import type { Snapshot } from '../manager/model.ts'
import { snapshotSubject } from '../manager/quota-words.ts'
import {
  snapshotDelete,
  snapshotFetch,
  snapshotsWithTask,
  snapshotTried,
  snapshotTryMove,
  snapshotUpdate,
} from '../store/snapshots.ts'
import { snapshotsBeingCopied } from '../store/volumes.ts'
import { isFinal, reasonOf } from './run-volumes.ts'
import type { WorkParts } from './volume-work.ts'

export interface SnapshotsWaiting {
  snapshots: Snapshot[]
  /** Snapshots that a volume is made from now: they are not deleted yet. */
  kept: Set<string>
}

export const runSnapshots = (parts: WorkParts): Controller<SnapshotsWaiting, Snapshot> =>
  defineController<SnapshotsWaiting, Snapshot>({
    name: 'cinder.snapshots',
    about: 'Has hosts take and delete snapshots of volumes.',
    wakesOn: ['cinder.snapshot.changed', 'cinder.volume.changed', 'hosts.changed'],
    everySeconds: 15,
    perPass: 50,
    concurrency: 4,
    observe: async (limit) => ({
      snapshots: await snapshotsWithTask(parts.db, limit),
      kept: await snapshotsBeingCopied(parts.db),
    }),
    plan: ({ snapshots, kept }) => snapshots.filter(({ id, task }) => task !== 'delete' || !kept.has(id)),
    act: (seen) => act(parts, seen),
    key: ({ id }) => id,
  })

const act = async (parts: WorkParts, seen: Snapshot): Promise<void> => {
  const snapshot = await parts.db.transaction(async (tx) => {
    const now = await snapshotFetch(tx, seen.id)
    if (now?.task === seen.task) await snapshotTried(tx, seen.id)
    return now
  })
  if (!snapshot?.task || snapshot.task !== seen.task) return
  try {
    await (snapshot.task === 'create' ? make(parts, snapshot) : remove(parts, snapshot))
  } catch (error) {
    if (!isFinal(error, snapshot.tries)) throw error
    parts.log.warn(
      { snapshot: snapshot.id, task: snapshot.task, error },
      'A host cannot do what a snapshot asked for',
    )
    await fail(parts, snapshot, reasonOf(error))
  }
}

const storeOf = ({ hosts }: WorkParts, { hostName }: Snapshot): VolumeStore => {
  const store = hostName === null ? undefined : hosts.find(hostName)?.volumes
  if (!store) throw unavailable(`Host ${hostName} does not answer, or keeps no volumes`)
  return store
}

const make = async (parts: WorkParts, snapshot: Snapshot): Promise<void> => {
  const { id, volumeId } = snapshot
  await storeOf(parts, snapshot).snapshotCreate({ id, volumeId })
  await parts.db.transaction(async (tx) => {
    const done = { task: null, progress: '100%', updatedAt: parts.clock.now() }
    if (!(await snapshotTryMove(tx, id, 'created', done))) await snapshotUpdate(tx, id, done)
    tx.emit('cinder.snapshot.changed', { id })
  })
}

/** A host that left the cloud took its snapshots with it. */
const isGone = ({ hosts }: WorkParts, { hostName }: Snapshot): boolean =>
  hostName === null ||
  (hosts.find(hostName) === undefined && !(hosts.known?.() ?? []).some(({ name }) => name === hostName))

const remove = async (parts: WorkParts, snapshot: Snapshot): Promise<void> => {
  const { id, projectId } = snapshot
  if (!isGone(parts, snapshot)) await storeOf(parts, snapshot).snapshotRemove(id)
  await parts.db.transaction(async (tx) => {
    await giveBack(parts, tx, projectId, [snapshotSubject(id)])
    await snapshotDelete(tx, id)
    tx.emit('cinder.snapshot.changed', { id })
  })
}

const fail = async (parts: WorkParts, snapshot: Snapshot, reason: string): Promise<void> => {
  const { id, projectId, task } = snapshot
  const event = task === 'create' ? 'failed' : 'deleteFailed'
  const about = { projectId, resourceType: 'VOLUME_SNAPSHOT' as const, resourceId: id }
  await parts.db.transaction(async (tx) => {
    const done = { task: null, updatedAt: parts.clock.now() }
    if (!(await snapshotTryMove(tx, id, event, done))) await snapshotUpdate(tx, id, done)
    await parts.messages.tell(tx, about, task === 'create' ? 'snapshot-create' : 'snapshot-delete', reason)
    tx.emit('cinder.snapshot.changed', { id })
  })
}
