/** `nova.give-back`: servers give back what quota lent: they are warned, and at the deadline stopped or deleted. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import type { Server } from '../manager/model.ts'
import type { NovaParts } from '../manager/parts.ts'
import type { Preemption } from '../manager/preemption.ts'
import type { Notice } from '../manager/preemption-words.ts'
import { parkedList } from '../store/parked.ts'
import { reclaimsList } from '../store/reclaims.ts'
import { serversByIds } from '../store/servers.ts'
import type { ReclaimRow } from '../store/tables.ts'

export interface GiveBackWorld {
  now: number
  /** Only of servers that live. */
  noticed: {
    notice: Pick<Notice, 'serverId' | 'deadlineAt' | 'takesDisk' | 'wanted'>
    server: Pick<Server, 'taskState'>
  }[]
  warnings: Pick<ReclaimRow, 'server_id' | 'deadline_at'>[]
  /** Servers that are stopped, or being stopped, instead of deleted; undefined: the server is gone. */
  parked: { id: string; released: number; server: Pick<Server, 'taskState'> | undefined }[]
}

export interface GiveBackStep { do: 'warn' | 'settle' | 'end' | 'park' | 'forget'; id: string }

const observe = async (parts: NovaParts, preemption: Preemption): Promise<GiveBackWorld> => {
  const [notices, warnings] = await Promise.all([preemption.notices(), reclaimsList(parts.db)])
  const parkedRows = await parkedList(parts.db)
  const ids = new Set([...notices.map(({ serverId }) => serverId), ...parkedRows.map((row) => row.server_id)])
  const servers = await serversByIds(parts.db, [...ids])
  const parked = parkedRows.map(({ server_id: id, released }) => {
    const server = servers.get(id)
    return { id, released, server: server?.deleted ? undefined : server }
  })
  const noticed = notices.flatMap((notice) => {
    const server = servers.get(notice.serverId)
    return server && !server.deleted ? [{ notice, server }] : []
  })
  return { now: parts.clock.now(), noticed, warnings, parked }
}

/** Due ones first, because somebody waits for them. */
export const plan = ({ now, noticed, warnings, parked }: GiveBackWorld): GiveBackStep[] => {
  const deadlines = new Map(noticed.map(({ notice }) => [notice.serverId, notice.deadlineAt]))
  const warned = new Set(warnings.map((warning) => warning.server_id))
  const resting = new Map(parked.map(({ id, released }) => [id, released]))
  const living = noticed
    .filter(({ server }) => server.taskState !== 'deleting')
    .filter(({ notice }) => isUnanswered(notice, resting.get(notice.serverId)))
    .map(({ notice }) => notice)
  const due = living.filter(({ deadlineAt }) => deadlineAt <= now)
  const unwarned = living.filter(({ serverId, deadlineAt }) => deadlineAt > now && !warned.has(serverId))
  const stale = warnings.filter(({ server_id, deadline_at }) => deadlines.get(server_id) !== deadline_at)
  const idle = parked.filter(({ released, server }) => released === 0 && server?.taskState === null)
  const gone = parked.filter(({ server }) => server === undefined)
  return [
    ...idle.map(({ id }): GiveBackStep => ({ do: 'park', id })),
    ...due.map(({ serverId }): GiveBackStep => ({ do: 'end', id: serverId })),
    ...unwarned.map(({ serverId }): GiveBackStep => ({ do: 'warn', id: serverId })),
    ...stale.map(({ server_id }): GiveBackStep => ({ do: 'settle', id: server_id })),
    ...gone.map(({ id }): GiveBackStep => ({ do: 'forget', id })),
  ]
}

/** Whoever rests already keeps its disk, and its place unless that was missed then. */
const isUnanswered = ({ takesDisk, wanted }: Pick<Notice, 'takesDisk' | 'wanted'>, released?: number): boolean =>
  takesDisk || released === undefined || (released === 1 && wanted.includes('instances'))

export const giveBackController = (
  parts: NovaParts, preemption: Preemption,
): Controller<GiveBackWorld, GiveBackStep> =>
  defineController<GiveBackWorld, GiveBackStep>({
    name: 'nova.give-back',
    about: 'Warns servers whose borrowed quota its owner wants back, and stops or deletes them when the notice is due.',
    wakesOn: ['quota.reclaim.notice', 'quota.reclaim.cancelled'],
    everySeconds: 5,
    perPass: 200,
    observe: () => observe(parts, preemption),
    plan,
    act: (step) => preemption[step.do](step.id),
    key: (step) => step.id,
    concurrency: 4,
  })
