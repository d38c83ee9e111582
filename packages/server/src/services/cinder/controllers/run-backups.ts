/** `cinder.backups`: takes away what deleted backups kept. */
import { defineController, type Controller } from '#platform/controllers/controller.ts'
import { giveBack } from '../manager/charges.ts'
import type { Backup } from '../manager/model.ts'
import { backupSubject } from '../manager/quota-words.ts'
import {
  backupDelete,
  backupFetch,
  backupsWithTask,
  backupTried,
  backupTryMove,
  backupUpdate,
} from '../store/backups.ts'
import { isFinal, reasonOf } from './run-volumes.ts'
import type { WorkParts } from './volume-work.ts'

export const runBackups = (parts: WorkParts): Controller<Backup[], Backup> =>
  defineController<Backup[], Backup>({
    name: 'cinder.backups',
    about: 'Takes away what deleted backups kept.',
    wakesOn: ['cinder.backup.changed'],
    everySeconds: 30,
    perPass: 50,
    observe: (limit) => backupsWithTask(parts.db, limit),
    plan: (backups) => backups,
    act: (seen) => act(parts, seen.id),
    key: ({ id }) => id,
  })

const act = async (parts: WorkParts, id: string): Promise<void> => {
  const backup = await parts.db.transaction(async (tx) => {
    const now = await backupFetch(tx, id)
    if (now?.task) await backupTried(tx, id)
    return now
  })
  if (!backup?.task) return
  try {
    await remove(parts, backup)
  } catch (error) {
    if (!isFinal(error, backup.tries)) throw error
    await fail(parts, id, reasonOf(error))
  }
}

const remove = async (parts: WorkParts, { id, projectId }: Backup): Promise<void> => {
  await parts.backups.remove(id)
  await parts.db.transaction(async (tx) => {
    await giveBack(parts, tx, projectId, [backupSubject(id)])
    await backupDelete(tx, id)
  })
}

const fail = async ({ db, clock }: WorkParts, id: string, failReason: string): Promise<void> => {
  await db.transaction(async (tx) => {
    const done = { task: null, failReason, updatedAt: clock.now() }
    if (!(await backupTryMove(tx, id, 'deleteFailed', done))) await backupUpdate(tx, id, done)
  })
}
