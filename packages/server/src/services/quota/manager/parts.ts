/** What quota's managers stand on. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { Log } from '#platform/log/log.ts'
import type { KeystoneFacade } from '#services/keystone/facade.ts'
import type { History } from './history.ts'
import type { Wish } from './reclaim.ts'

export interface QuotaParts {
  db: Database
  clock: Clock
  log: Log
  keystone: Pick<KeystoneFacade, 'projectAncestors' | 'projectsList' | 'limitModel' | 'unifiedLimits'>
  /** Limits of Keystone may be of one region: this is ours. */
  region: string
  /** The operator's own default limits by resource, instead of what services declare. */
  defaults: Readonly<Record<string, number>>
  /**
   * Hands over a refused request whose project may take back what it lent. Lost if the process dies: it is asked again.
   */
  wish(wish: Wish): void
  /** Where everything that happens is written down, told to the bus and counted. */
  history: Pick<History, 'tell' | 'rowsOf' | 'announce' | 'witnessed' | 'refused'>
}
