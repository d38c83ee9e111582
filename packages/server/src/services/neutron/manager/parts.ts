/** What every Neutron manager is made of. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database, Tx } from '#platform/db/database.ts'
import { isRefusal, overLimit, type Refusal } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import type { HostDirectory } from '#services/deps.ts'
import type { KeystoneFacade } from '#services/keystone/facade.ts'
import type { QuotaFacade } from '#services/quota/facade.ts'
import type { Standard } from '../store/tables.ts'

export interface NetworkingSettings {
  globalMtu: number
  privateCidr: string
  publicCidr: string
  /** Resolvers of the machine, for networks whose subnets name none. */
  resolvers: string[]
}

export interface NeutronParts {
  db: Database
  clock: Clock
  log: Log
  hosts: HostDirectory
  /** Asked when needed: services below are built first, their facades wired at the end. */
  quota: () => QuotaFacade
  keystone: () => KeystoneFacade
  settings: NetworkingSettings
  region: string
}

/** `n` random bytes: MAC addresses and first guesses of free numbers. */
export const dice = (n: number): Buffer => randomBytes(n)

/** A whole number from 0 to `below` − 1. */
export const randomBelow = (below: bigint): bigint => BigInt(`0x${dice(16).toString('hex')}`) % below

/** The fields that every new record starts with. */
export const born = (parts: { clock: Clock }, id: string, projectId: string): Standard => {
  const now = parts.clock.now()
  return {
    id,
    project_id: projectId,
    description: '',
    tags: [],
    revision_number: 0,
    created_at: now,
    updated_at: now,
  }
}

/** Counts a new row of the project in its quota; the row and the count stand or fall together. */
export const charge = async (parts: NeutronParts, tx: Tx, resource: string, record: Standard): Promise<void> => {
  const subject = subjectOf(resource, record.id)
  try {
    await parts.quota().reserve(tx, { projectId: record.project_id, deltas: { [resource]: 1 }, subject })
  } catch (error) {
    throw isRefusal(error) && error.kind === 'overLimit' ? overQuota(resource, error) : error
  }
  await parts.quota().commit(tx, subject)
}

/** Clients look for upstream's sentence; the quota service's own says what to do about it. */
const overQuota = (resource: string, { message, details }: Refusal): Refusal =>
  overLimit(`Quota exceeded for resources: ['${resource.replace(/ies$/, 'y').replace(/s$/, '')}']. ${message}`, {
    ...details,
    type: 'OverQuota',
  })

export const refund = (parts: NeutronParts, tx: Tx, resource: string, record: Standard): Promise<void> =>
  parts.quota().release(tx, { projectId: record.project_id, subject: subjectOf(resource, record.id) })

const subjectOf = (resource: string, id: string): string => `neutron:${resource}:${id}`

/** Tells whoever keeps hosts in line that something they build on has changed. */
export const changed = (tx: Tx, kind: string, id: string): void => {
  tx.emit(`neutron.${kind}.changed`, { id })
  tx.emit('neutron.wanted.changed', {})
}
