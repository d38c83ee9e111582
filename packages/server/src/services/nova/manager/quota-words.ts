/** Names and subjects under which Nova counts at quota, and its refusals in Nova's words. */
import { forbidden, isRefusal, type Refusal } from '#platform/errors/errors.ts'
import type { Amounts, ReserveRequest } from '#services/quota/facade.ts'
import type { Flavor, Server } from './model.ts'

/** What Nova declares to quota, with upstream's defaults. */
export const novaResources: { name: string; defaultLimit: number; unit?: string; isCounted?: false }[] = [
  { name: 'instances', defaultLimit: 10 },
  { name: 'cores', defaultLimit: 20 },
  { name: 'ram', defaultLimit: 51_200, unit: 'MiB' },
  { name: 'server_groups', defaultLimit: 10 },
  // Limits on one server, one group or one user: no project has less of them for what another uses.
  { name: 'metadata_items', defaultLimit: 128, isCounted: false },
  { name: 'injected_files', defaultLimit: 5, isCounted: false },
  { name: 'injected_file_content_bytes', defaultLimit: 10_240, unit: 'B', isCounted: false },
  { name: 'injected_file_path_bytes', defaultLimit: 255, unit: 'B', isCounted: false },
  { name: 'key_pairs', defaultLimit: 100, isCounted: false },
  { name: 'server_group_members', defaultLimit: 10, isCounted: false },
]

export const groupSubject = (groupId: string): string => `nova:server-group:${groupId}`
export const serverSubject = (serverId: string): string => `nova:server:${serverId}`
export const resizeSubject = (serverId: string, migrationUuid: string): string =>
  `nova:server:${serverId}:resize:${migrationUuid}`

/** Servers that were asked for together and must start together, for as long as they have not. */
export const batchSubject = (reservationId: string): string => `nova:reservation:${reservationId}`

export const isOwnSubject = (subject: string): boolean => subject.startsWith(serverSubject(''))

/** The server that bears a charge, its own or its resize's; undefined: the subject is of something else. */
export const serverOfSubject = (subject: string): string | undefined => /^nova:server:([^:]+)/.exec(subject)?.[1]

export const amountsOf = (flavor: Pick<Flavor, 'vcpus' | 'ramMiB'>): Amounts =>
  ({ instances: 1, cores: flavor.vcpus, ram: flavor.ramMiB })

/** A server that comes back under its name is the same to quota: reclaimed, it has to cool down. */
const lineageOf = ({ projectId, name }: Pick<Server, 'projectId' | 'name'>): string => `nova:${projectId}:${name}`

type Counted = Pick<Server, 'id' | 'projectId' | 'name' | 'flavor'>

/** What one server asks of quota; its row is written in the same transaction. */
export const askOf = (server: Counted): ReserveRequest => ({
  projectId: server.projectId, deltas: amountsOf(server.flavor), subject: serverSubject(server.id),
  reclaimable: 'yes', started: true, lineage: lineageOf(server),
})

/** What several of one kind ask as one, all or nothing. */
export const batchAskOf = (servers: readonly Counted[], subject: string): ReserveRequest => {
  const [{ projectId, flavor }] = servers as [Counted]
  const deltas = Object.fromEntries(
    Object.entries(amountsOf(flavor)).map(([resource, amount]) => [resource, amount * servers.length]),
  )
  return { projectId, deltas, subject, reclaimable: 'yes', started: true }
}

/** How much more the new flavor takes; nothing where it takes less. */
export const growthOf = (from: Flavor, to: Flavor): Amounts =>
  ({ cores: Math.max(0, to.vcpus - from.vcpus), ram: Math.max(0, to.ramMiB - from.ramMiB) })

export const shrinkageOf = (from: Flavor, to: Flavor): Amounts => growthOf(to, from)

interface Exceeded { resource: string; asked: number; limit: number; used: number; reserved: number }
const inSentence = new Set(['instances', 'cores', 'ram'])

/** Upstream's own sentence where the project's own limits are in the way; then why, and what would help. */
const wordsOf = ({ message, details }: Refusal): string => {
  const { exceeded = [], reason, remedy } = details as { exceeded?: Exceeded[]; reason?: string; remedy?: string }
  if (exceeded.length === 0 || !exceeded.every(({ resource, limit }) => inSentence.has(resource) && limit >= 0))
    return message.startsWith('Quota exceeded') ? message : `Quota exceeded: ${message}`
  const each = (told: (one: Exceeded) => string | number) => exceeded.map(told).join(', ')
  const names = each(({ resource }) => resource)
  return `Quota exceeded for ${names}: Requested ${each(({ asked }) => asked)}, but already used ` +
    `${each(({ used, reserved }) => used + reserved)} of ${each(({ limit }) => limit)} ${names} (${reason}). ${remedy}`
}

/** Nova answers 403 where other services say 413 or 409, and clients look for "Quota exceeded". */
export const inQuotaWords = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (isRefusal(error) && error.kind === 'overLimit') throw forbidden(wordsOf(error), error.details, error)
    throw error
  }
}
