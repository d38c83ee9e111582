/** Parked servers: stopped instead of deleted, so that a borrower gives back what it held and keeps what it is. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { migrationsList } from '../store/migrations-list.ts'
import type { Amounts } from '#services/quota/facade.ts'
import { parkedDelete, parkedFetch, parkedRelease } from '../store/parked.ts'
import type { ParkedRow } from '../store/tables.ts'
import { serverTagsReplace } from '../store/servers.ts'
import type { OrderName } from '../states/orders.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import {
  amountsOf, askOf, diskGrowthSubject, diskSubject, inQuotaWords, resizeSubject, serverSubject,
} from './quota-words.ts'

/** Worn while a server is parked, so that clients find whom to start again by `?tags=reclaimed`. */
export const parkedTag = 'reclaimed'

/** A stopped server needs its place and its disk, but neither processors nor memory. */
const alwaysGiven = ['cores', 'ram']
type Quota = Pick<NovaParts, 'facades'>

/** Under which subjects a server holds what it holds of quota: its own, and one of each resize. */
interface ServerSubjects {
  /** Its place, cores and memory. */
  running: string[]
  /** What it keeps when it is stopped. */
  disk: string[]
}

export const subjectsOf = async (executor: Executor, serverId: string): Promise<ServerSubjects> => {
  const migrations = await migrationsList(executor, { serverId })
  return {
    running: [serverSubject(serverId), ...migrations.map(({ uuid }) => resizeSubject(serverId, uuid))],
    disk: [diskSubject(serverId), ...migrations.map(({ uuid }) => diskGrowthSubject(serverId, uuid))],
  }
}

const givenBy = ({ released }: Pick<ParkedRow, 'released'>): string[] =>
  [...(released > 0 ? alwaysGiven : []), ...(released === 2 ? ['instances'] : [])]

/** What a parked server holds still, of what it would hold otherwise. */
export const parkedAmounts = (held: Amounts, parked: Pick<ParkedRow, 'released'>): Amounts => {
  const given = givenBy(parked)
  return Object.fromEntries(Object.entries(held).filter(([name]) => !given.includes(name)))
}

/** Gives back cores and memory, and the server's place too where places are what is missing. Idempotent. */
export const giveBack = async (parts: Quota, tx: Tx, server: Server, wanted: readonly string[]): Promise<void> => {
  const released = wanted.includes('instances') ? 2 : 1
  const names = givenBy({ released }),
    held = amountsOf(server.flavor)
  const deltas = Object.fromEntries(names.map((name) => [name, held[name]!]))
  for (const subject of (await subjectsOf(tx, server.id)).running) {
    await parts.facades.quota.release(tx, { projectId: server.projectId, subject, deltas })
  }
  await parkedRelease(tx, server.id, released)
}

/** Orders after which a container runs again, or may. */
const waking: ReadonlySet<OrderName> = new Set<OrderName>(['start', 'hardReboot', 'rebuild', 'resize'])

/**
 * A parked server that is to run again takes what it gave back, in the transaction of the order, or is refused in
 * quota's words. Does nothing for any other server.
 */
export const unpark = async (parts: Quota, tx: Tx, server: Server, order: OrderName): Promise<void> => {
  if (!waking.has(order)) return
  const parked = await parkedFetch(tx, server.id)
  if (!parked) return
  await parkedDelete(tx, server.id)
  if (parked.released > 0) await takeAgain(parts, tx, server)
}

const takeAgain = async (parts: Quota, tx: Tx, server: Server): Promise<void> => {
  const { quota } = parts.facades,
    { projectId } = server
  for (const subject of (await subjectsOf(tx, server.id)).running) await quota.release(tx, { projectId, subject })
  await inQuotaWords(() => quota.reserve(tx, askOf(server)))
  await serverTagsReplace(tx, server.id, server.tags.filter((tag) => tag !== parkedTag), server.updatedAt)
}
