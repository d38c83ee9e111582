/** Names and subjects under which Cinder counts at quota, and its refusals in Cinder's words. */
import { badRequest, isRefusal, overLimit, type Refusal } from '#platform/errors/errors.ts'
import type { Amounts } from '#services/quota/facade.ts'

/** What Cinder's quota sets show, with upstream's defaults. `per_volume_gigabytes` bounds one volume: not counted. */
export const cinderResources: { name: string; defaultLimit: number; unit?: string }[] = [
  { name: 'volumes', defaultLimit: 10 },
  { name: 'snapshots', defaultLimit: 10 },
  { name: 'gigabytes', defaultLimit: 1000, unit: 'GiB' },
  { name: 'per_volume_gigabytes', defaultLimit: -1, unit: 'GiB' },
  { name: 'backups', defaultLimit: 10 },
  { name: 'backup_gigabytes', defaultLimit: 1000, unit: 'GiB' },
  { name: 'groups', defaultLimit: 10 },
]

/** Of one volume type; without a limit until somebody sets one. */
export const typeResources = (typeName: string): string[] => [
  `volumes_${typeName}`,
  `snapshots_${typeName}`,
  `gigabytes_${typeName}`,
]

export const volumePrefix = 'cinder:volume:'
export const snapshotPrefix = 'cinder:snapshot:'
export const volumeSubject = (id: string): string => volumePrefix + id
export const snapshotSubject = (id: string): string => snapshotPrefix + id
/** Growth to one size is charged once, however often it is asked for. */
export const extendSubject = (id: string, sizeGiB: number): string => `${volumePrefix}${id}:extend:${sizeGiB}`
export const retypeSubject = (id: string, typeId: string, at: number): string =>
  `${volumePrefix}${id}:type:${typeId}:${at}`

export const volumeAmounts = (sizeGiB: number, typeName: string): Record<string, number> => ({
  volumes: 1,
  gigabytes: sizeGiB,
  ...typeAmounts(sizeGiB, typeName),
})

/** What a volume takes of its type's own limits. */
export const typeAmounts = (sizeGiB: number, typeName: string): Record<string, number> => ({
  [`volumes_${typeName}`]: 1,
  [`gigabytes_${typeName}`]: sizeGiB,
})

export const growthAmounts = (growthGiB: number, typeName: string): Record<string, number> => ({
  gigabytes: growthGiB,
  [`gigabytes_${typeName}`]: growthGiB,
})

export const snapshotAmounts = (sizeGiB: number, typeName: string): Record<string, number> => ({
  snapshots: 1,
  gigabytes: sizeGiB,
  [`snapshots_${typeName}`]: 1,
  [`gigabytes_${typeName}`]: sizeGiB,
})

export const backupPrefix = 'cinder:backup:'
export const backupSubject = (id: string): string => backupPrefix + id
export const backupAmounts = (sizeGiB: number): Record<string, number> => ({ backups: 1, backup_gigabytes: sizeGiB })

export const exceedsPerVolume = (sizeGiB: number, limit: number): Refusal =>
  overLimit(`Requested volume size ${sizeGiB}G is larger than maximum allowed limit ${limit}G.`, {
    reason: 'PER_VOLUME',
    quota: { code: 'PER_VOLUME' },
    resource: 'per_volume_gigabytes',
    asked: sizeGiB,
    limit,
  })

const told = (number: unknown): string => (typeof number === 'number' ? String(number) : 'not told')

/** 413 with the sentences that clients look for; what only those above may see stays untold. */
const inWords = (error: Refusal, amounts: Amounts): Refusal => {
  const { resource = '', limit, used, reserved, asked } = error.details as Record<string, any>
  const name = String(resource)
  if (name.includes('gigabytes')) {
    const consumed = typeof used === 'number' ? used + (reserved ?? 0) : undefined
    const what =
      name === 'backup_gigabytes'
        ? 'backup exceeds allowed Backup gigabytes'
        : `volume or snapshot exceeds allowed ${name}`
    return overLimit(
      `Requested ${what} quota. Requested ${asked ?? amounts[name]}G, ` +
        `quota is ${told(limit)}G and ${told(consumed)}G has been consumed. ${error.message}`,
      error.details,
      error,
    )
  }
  const noun = name.split('_')[0]
  const forQuota = noun === 'volumes' ? ` for quota '${name}'` : ''
  const text = `Maximum number of ${noun} allowed (${told(limit)}) exceeded${forQuota}.`
  return overLimit(`${text} ${error.message}`, error.details, error)
}

export const inQuotaWords = async <T>(amounts: Amounts, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (isRefusal(error) && error.kind === 'overLimit' && error.details.resource !== undefined)
      throw inWords(error, amounts)
    throw error
  }
}

/** More than the parent has to give is 400 in the words of nested quota's own over-quota, and how much it has. */
export const inParentsWords = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (!isRefusal(error) || error.details.reason !== 'ABOVE_PARENT') throw error
    const text = `Quota exceeded for resources: ['${error.details.resource}'].`
    throw badRequest(`${text} ${error.message}`, error.details, error)
  }
}
