/** What owners of servers, and operators, read of a reclaim. */
import { isoSeconds } from '#platform/clock/clock.ts'
import type { ReclaimNotice } from '#services/quota/facade.ts'
import type { Fault } from './model.ts'
import { isDiskSubject } from './quota-words.ts'

/** A server that must give back what it holds, when, how, and what of it is missed. */
export interface Notice extends Omit<ReclaimNotice, 'subject' | 'projectId'> {
  serverId: string
  /** Its disk is missed, which a stopped server keeps. */
  takesDisk: boolean
}

export const noticeFor = (serverId: string, notice: ReclaimNotice): Notice => {
  const { subject, deadlineAt, onReclaim, wanted, claimant } = notice
  return { serverId, deadlineAt, onReclaim, wanted, claimant, takesDisk: isDiskSubject(subject) }
}

/** Of two for one server: the earlier deadline, and all that either takes. */
export const together = (one: Notice | undefined, other: Notice): Notice => {
  if (!one) return other
  const first = one.deadlineAt <= other.deadlineAt ? one : other
  const wanted = [...new Set([...one.wanted, ...other.wanted])]
  return { ...first, wanted, takesDisk: one.takesDisk || other.takesDisk }
}

export const mayRest = ({ onReclaim, takesDisk }: Notice): boolean => onReclaim === 'stop' && !takesDisk

export const warningOf = (notice: Notice): string =>
  'Quota takes back capacity that this project only borrowed: the server is '
  + `${mayRest(notice) ? 'stopped' : 'deleted'} after ${isoSeconds(notice.deadlineAt)} unless the notice is withdrawn.`

/** Who asked is for operators alone: a borrower need not see the project that it borrowed from. */
export const claimantOf = ({ claimant, wanted }: Notice): string =>
  `Taken back for project ${claimant}, which misses ${wanted.join(', ') || 'nothing any more'}.`

const why = (notice: Notice): string => {
  if (notice.onReclaim === 'delete') return "as this project's policy says (onReclaim: delete)"
  return notice.takesDisk
    ? 'because a stopped one keeps its disk'
    : 'because this project has as many stopped ones already as it may have servers'
}

const takenOf = ({ wanted }: Notice): string =>
  `Quota took back what this project only borrowed (${wanted.join(', ') || 'capacity'}), for a project with a better `
  + 'right to it.'

/** Nova's code for what quota does not allow. */
export const faultOf = (notice: Notice, at: number): Fault =>
  ({ code: 403, message: `${takenOf(notice)} The server was deleted, ${why(notice)}.`, details: '', at })

export const restOf = (notice: Notice): string =>
  `${takenOf(notice)} The server was stopped, as this project's policy says (onReclaim: stop). Start it again when `
  + 'there is room: what it needs is asked of quota then.'
