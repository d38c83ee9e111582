/** Names, subjects and terms under which Nova counts at quota, and its refusals in Nova's words. */
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

/**
 * Counted as well, and nobody's to limit until somebody does; upstream's quota sets do not know it. Each server's disk
 * is a claim of its own: what nobody limits nobody owns either, and in one claim with the cores it would cost their
 * owner the right to take them back.
 */
export const diskResource = { name: 'disk', service: 'compute', defaultLimit: -1, unit: 'GiB' }

export const groupSubject = (groupId: string): string => `nova:server-group:${groupId}`
export const serverSubject = (serverId: string): string => `nova:server:${serverId}`
export const resizeSubject = (serverId: string, migrationUuid: string): string =>
  `nova:server:${serverId}:resize:${migrationUuid}`

export const diskSubject = (serverId: string): string => `nova:disk:${serverId}`
export const isDiskSubject = (subject: string): boolean => subject.startsWith(diskSubject(''))
/** What a resize takes of disk beyond what the server has. */
export const diskGrowthSubject = (serverId: string, migrationUuid: string): string =>
  `${diskSubject(serverId)}:resize:${migrationUuid}`

/** Servers that were asked for together and must start together, for as long as they have not. */
export const batchSubject = (reservationId: string): string => `nova:reservation:${reservationId}`

export const isOwnSubject = (subject: string): boolean => subject.startsWith(serverSubject(''))

/** The server that bears a charge, its own, its disk's or its resize's; undefined: the subject is of something else. */
export const serverOfSubject = (subject: string): string | undefined =>
  /^nova:(?:server|disk):([^:]+)/.exec(subject)?.[1]

export const amountsOf = (flavor: Pick<Flavor, 'vcpus' | 'ramMiB'>): Amounts =>
  ({ instances: 1, cores: flavor.vcpus, ram: flavor.ramMiB })

/** Scheduler hints of a create; they are the server's for as long as it lives. */
export const reclaimableHint = 'quaystone:reclaimable'
export const priorityHint = 'quaystone:priority'
export const priorityMax = 100

/** Worn by whom its owner offers, and while a notice stands: so that clients find them by `?tags=preemptible`. */
export const preemptibleTag = 'preemptible'

export type Terms = Required<Pick<ReserveRequest, 'reclaimable' | 'priority' | 'lineage'>>
type Hinted = Pick<Server, 'hints' | 'tags'>
type Named = Pick<Server, 'projectId' | 'name' | 'hints'>

/**
 * Who tags a server `preemptible` as it is made offers it. It is written down with the hints, because a tag may later
 * be a warning's, or come and go.
 */
export const hintsKept = ({ hints, tags }: Hinted): Server['hints'] =>
  (tags.includes(preemptibleTag) ? { [reclaimableHint]: 'preferred', ...hints } : hints)

/** A server that comes back under its name is the same to quota: reclaimed, it has to cool down. */
export const termsOf = ({ projectId, name, hints }: Named): Terms => ({
  reclaimable: (hints[reclaimableHint] as Terms['reclaimable'] | undefined) ?? 'yes',
  priority: Number(hints[priorityHint] ?? 0),
  lineage: `nova:${projectId}:${name}`,
})

/** Of several that were made as one, `web-1`, `web-2` …: they cool down with the one of them that must the longest. */
export const termsOfBatch = (server: Named): Terms =>
  termsOf({ ...server, name: server.name.replace(/-\d+$/, '-*') })

/** As upstream counts DISK_GB: root, ephemeral and swap, of which a GiB that is begun counts whole. */
export const diskOf = ({ diskGiB, ephemeralGiB, swapMiB }: Flavor): number =>
  diskGiB + ephemeralGiB + Math.ceil(swapMiB / 1024)

type Counted = Pick<Server, 'id' | 'projectId' | 'name' | 'flavor' | 'hints'>

/** What one server asks of quota; its row is written in the same transaction. */
export const askOf = (server: Counted): ReserveRequest => ({
  projectId: server.projectId, deltas: amountsOf(server.flavor), subject: serverSubject(server.id), started: true,
  ...termsOf(server),
})

/** What several of one kind ask as one, all or nothing. */
export const batchAskOf = (servers: readonly Counted[], subject: string): ReserveRequest => {
  const [first] = servers as [Counted]
  const deltas = Object.fromEntries(
    Object.entries(amountsOf(first.flavor)).map(([resource, amount]) => [resource, amount * servers.length]),
  )
  return { projectId: first.projectId, deltas, subject, started: true, ...termsOfBatch(first) }
}

export const diskAskOf = (server: Counted): ReserveRequest =>
  ({ ...askOf(server), deltas: { disk: diskOf(server.flavor) }, subject: diskSubject(server.id) })

interface Resizing { server: Counted; flavor: Flavor; migration: string }

/** What a resize asks beyond what the server has. */
export const resizeAsksOf = ({ server, flavor, migration }: Resizing): ReserveRequest[] => {
  const { id, flavor: before } = server
  return [
    { ...askOf(server), deltas: growthOf(before, flavor), subject: resizeSubject(id, migration) },
    { ...askOf(server), deltas: diskGrowthOf(before, flavor), subject: diskGrowthSubject(id, migration) },
  ].filter(({ deltas }) => Object.values(deltas).some((amount) => amount > 0))
}

/** How much more the new flavor takes; nothing where it takes less. */
export const growthOf = (from: Flavor, to: Flavor): Amounts =>
  ({ cores: Math.max(0, to.vcpus - from.vcpus), ram: Math.max(0, to.ramMiB - from.ramMiB) })

export const diskGrowthOf = (from: Flavor, to: Flavor): Amounts => ({ disk: Math.max(0, diskOf(to) - diskOf(from)) })

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
