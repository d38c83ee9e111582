/** Claims inside a project's private part: what each database does in its own way. */
import type { Tx } from '#platform/db/database.ts'
import type { StoredClaim } from './claims.ts'
import type { NewHappening } from './history.ts'

/**
 * What is private is lent to nobody, so that no number of an ancestor changes. `sheltered` says that no ceiling and no
 * debt above has to be looked at either. Each of these does nothing where it is not as simple as that.
 */
export interface PrivatePart {
  /** Makes the claim, counts it and says so in the history; false: to be decided along the path, or there already. */
  take(tx: Tx, claim: StoredClaim, told: NewHappening): Promise<boolean>
  /** What was reserved has started; false if there is no such reservation. Touches the leaf only, whatever is lent. */
  start(tx: Tx, subject: string): Promise<boolean>
  /** Ends a claim of which nothing was lent; nothing if there is none or ancestors have to be told. */
  giveBack(tx: Tx, subject: string, told: ToldOfEnd): Promise<GivenBack | undefined>
}

/** What its end is called in the history, by what it was; nothing: it is nobody's business. */
export interface ToldOfEnd {
  at: number
  kinds: Record<StoredClaim['state'], string> | undefined
}

export interface GivenBack {
  projectId: string
  amounts: Record<string, number>
  state: StoredClaim['state']
}

/** A project's own leaf below its children. */
export const selfOf = (projectId: string): string => `${projectId}/self`
