/** Keystone's section of the configuration, with upstream's defaults where they still make sense. */

export interface Settings {
  tokenLifetimeMs: number
  /** Validation with `allow_expired` accepts a token for so long after its end. */
  expiredWindowMs: number
  keyRotationMs: number
  /** Answers of `validate` are trusted for so long without a look at the database, whatever the bus may have lost. */
  cacheMs: number
  cacheEntriesMax: number
  argon2: { memoryKiB: number; passes: number; parallelism: number }
  passwordRegex: string | undefined
  passwordRegexDescription: string | undefined
  passwordLengthMax: number
  passwordExpiresDays: number | undefined
  passwordMinimumAgeDays: number
  uniqueLastPasswords: number
  changeUponFirstUse: boolean
  lockoutFailuresMax: number | undefined
  lockoutMs: number
  projectDepthMax: number
  listMax: number | undefined
  limitModel: 'flat' | 'strict_two_level'
  adminPassword: string | undefined
  demoPassword: string | undefined
}

const second = 1000
const day = 86_400 * second

const reader = (config: Record<string, unknown>) => ({
  number: <D extends number | undefined>(key: string, fallback: D): number | D => {
    const value = config[key]
    if (value === undefined || value === null) return fallback
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      throw new Error(`keystone.${key} must be a number of at least 0, not ${JSON.stringify(value)}`)
    }
    return value
  },
  text: (key: string): string | undefined => {
    const value = config[key]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'string') throw new Error(`keystone.${key} must be text, not ${JSON.stringify(value)}`)
    return value
  },
})

const modelOf = (value: string | undefined): Settings['limitModel'] => {
  if (value === undefined || value === 'flat' || value === 'strict_two_level') return value ?? 'flat'
  throw new Error(`keystone.limitModel must be flat or strict_two_level, not "${value}"`)
}

/** @throws Error naming the key and its value, for the operator. */
export const settingsOf = (config: Record<string, unknown>): Settings => {
  const { number, text } = reader(config)
  const limitModel = modelOf(text('limitModel'))
  return {
    tokenLifetimeMs: number('tokenMinutes', 60) * 60 * second,
    expiredWindowMs: number('expiredWindowSeconds', 172_800) * second,
    keyRotationMs: number('keyRotationHours', 24) * 3600 * second,
    cacheMs: number('cacheSeconds', 300) * second,
    cacheEntriesMax: number('cacheEntriesMax', 10_000),
    argon2: {
      memoryKiB: number('argon2MemoryKiB', 19_456), passes: number('argon2Passes', 2),
      parallelism: number('argon2Parallelism', 1),
    },
    passwordRegex: text('passwordRegex'),
    passwordRegexDescription: text('passwordRegexDescription'),
    passwordLengthMax: number('passwordLengthMax', 4096),
    passwordExpiresDays: number('passwordExpiresDays', undefined),
    passwordMinimumAgeDays: number('passwordMinimumAgeDays', 0),
    uniqueLastPasswords: number('uniqueLastPasswords', 0),
    changeUponFirstUse: config.changeUponFirstUse === true,
    lockoutFailuresMax: number('lockoutFailuresMax', undefined),
    lockoutMs: number('lockoutSeconds', 1800) * second,
    projectDepthMax: limitModel === 'strict_two_level' ? 1 : number('maxProjectTreeDepth', 5),
    listMax: number('listMax', undefined),
    limitModel,
    adminPassword: text('adminPassword'),
    demoPassword: text('demoPassword'),
  }
}

export const daysMs = (days: number): number => days * day
