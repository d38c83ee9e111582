/** The rules of passwords: strength, history, age, expiry, and locking an account that is being guessed. */
import { forbidden, unauthorized } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { passwords as passwordRows, users } from '../store/entity-store.ts'
import type { Password, User } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import type { Passwords } from './passwords.ts'
import { invalid, notAuthenticated } from './refusals.ts'
import { daysMs } from './settings.ts'

export class UserPasswords {
  readonly #ground: Ground
  readonly #passwords: Passwords
  constructor(ground: Ground, passwords: Passwords) {
    this.#ground = ground
    this.#passwords = passwords
  }

  /** Throws unless it is the user's, and user and domain are enabled. Takes as long for nobody as for somebody. */
  async check(user: User | undefined, password: string): Promise<void> {
    const current = user && await this.current(user.id)
    const isLocked = user !== undefined && this.#isLocked(user)
    const fits = await this.#passwords.verify(password, current?.hash)
    if (!user || isLocked || !fits) {
      if (user && !isLocked) await this.#countFailure(user)
      throw notAuthenticated()
    }
    const domain = await this.#ground.places.fetch(user.domain_id)
    if (!user.enabled || !domain?.enabled) throw notAuthenticated()
    if (user.failed_count > 0) await users.update(this.#ground.db, user.id, { failed_count: 0, failed_at: null })
    this.#refuseExpired(user, current)
  }

  async current(userId: string): Promise<Password | undefined> {
    return (await passwordRows.list(this.#ground.db, { user_id: userId }, 'created_at')).at(-1)
  }

  /** Throws when a new password breaks a rule that needs no look at the user. */
  refuseWeak(password: string): void {
    const { passwordRegex, passwordRegexDescription, passwordLengthMax } = this.#ground.settings
    if (password.length > passwordLengthMax) {
      throw forbidden(
        `The password length must be less than or equal to ${passwordLengthMax}. The server could not comply`
          + ' with the request because the password is invalid.'
      )
    }
    if (passwordRegex !== undefined && !new RegExp(passwordRegex).test(password)) {
      throw invalid(
        `The password does not match the requirements: ${passwordRegexDescription ?? passwordRegex}.`, 'password',
      )
    }
  }

  hash(password: string): Promise<string> { return this.#passwords.hash(password) }

  /** Makes `hash` the user's password; older ones stay only as long as the history rule needs them. */
  async set(tx: Tx, user: User, hash: string, selfService: boolean): Promise<void> {
    const before = await passwordRows.list(tx, { user_id: user.id }, 'created_at')
    const createdAt = Math.max(this.#ground.clock.now(), (before.at(-1)?.created_at ?? 0) + 1)
    await passwordRows.insert(tx, {
      id: hexId(), user_id: user.id, hash, created_at: createdAt, self_service: selfService,
      expires_at: this.#expiry(user, createdAt, selfService),
    })
    const kept = Math.max(this.#ground.settings.uniqueLastPasswords - 1, 0)
    for (const old of before.slice(0, Math.max(before.length - kept, 0))) await passwordRows.remove(tx, old.id)
  }

  /** The user's own change: knows the old password, and keeps to age and history. */
  async refuseOwnChange(user: User | undefined, original: string, wanted: string): Promise<void> {
    const current = user && await this.current(user.id)
    const fits = await this.#passwords.verify(original, current?.hash)
    if (!user || !fits || !user.enabled || this.#isLocked(user)) {
      if (user && !fits && !this.#isLocked(user)) await this.#countFailure(user)
      throw notAuthenticated()
    }
    if (user.options.lock_password === true) {
      throw invalid(
        'You cannot change your password at this time due to password policy disallowing password changes.'
          + ' Please contact your administrator to reset your password.'
      )
    }
    this.#refuseYoung(current)
    this.refuseWeak(wanted)
    await this.#refuseRepeated(user, wanted)
  }

  #refuseYoung(current: Password | undefined): void {
    const { passwordMinimumAgeDays } = this.#ground.settings
    if (!current?.self_service || passwordMinimumAgeDays === 0) return
    const waitMs = current.created_at + daysMs(passwordMinimumAgeDays) - this.#ground.clock.now()
    if (waitMs <= 0) return
    throw invalid(
      'You cannot change your password at this time due to the minimum password age. Once you change your'
        + ` password, it must be used for ${passwordMinimumAgeDays} day(s) before it can be changed. Please try`
        + ` again in ${Math.ceil(waitMs / daysMs(1))} day(s) or contact your administrator to reset your password.`
    )
  }

  async #refuseRepeated(user: User, wanted: string): Promise<void> {
    const { uniqueLastPasswords } = this.#ground.settings
    if (uniqueLastPasswords < 1) return
    const rows = await passwordRows.list(this.#ground.db, { user_id: user.id }, 'created_at')
    for (const row of rows.slice(-uniqueLastPasswords)) {
      if (!await this.#passwords.verify(wanted, row.hash)) continue
      throw invalid(
        'The new password cannot be identical to a previous password. The total number which includes the new'
          + ` password must be unique is ${uniqueLastPasswords}.`,
        'password',
      )
    }
  }

  #expiry(user: User, createdAt: number, selfService: boolean): number | null {
    const { passwordExpiresDays, changeUponFirstUse } = this.#ground.settings
    if (changeUponFirstUse && !selfService && user.options.ignore_change_password_upon_first_use !== true) {
      return createdAt
    }
    if (passwordExpiresDays === undefined || user.options.ignore_password_expiry === true) return null
    return createdAt + daysMs(passwordExpiresDays)
  }

  #refuseExpired(user: User, current: Password | undefined): void {
    const end = current?.expires_at ?? null
    if (end === null || end > this.#ground.clock.now() || user.options.ignore_password_expiry === true) return
    throw unauthorized(`The password is expired and needs to be changed for user: ${user.id}.`)
  }

  #isLocked(user: User): boolean {
    const { lockoutFailuresMax, lockoutMs } = this.#ground.settings
    if (lockoutFailuresMax === undefined || user.options.ignore_lockout_failure_attempts === true) return false
    return user.failed_count >= lockoutFailuresMax && (user.failed_at ?? 0) + lockoutMs > this.#ground.clock.now()
  }

  async #countFailure(user: User): Promise<void> {
    const { lockoutFailuresMax, lockoutMs } = this.#ground.settings
    if (lockoutFailuresMax === undefined) return
    const now = this.#ground.clock.now()
    const isOld = (user.failed_at ?? 0) + lockoutMs <= now
    await users.update(this.#ground.db, user.id, { failed_count: isOld ? 1 : user.failed_count + 1, failed_at: now })
  }
}
