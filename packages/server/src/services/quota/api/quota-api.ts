/** What quota's handlers receive. */
import type { Board } from '../manager/board.ts'
import type { HistoryBoard } from '../manager/history-board.ts'
import type { OutsideClaims } from '../manager/outside-claims.ts'
import type { WaitingBoard } from '../manager/owners-waiting.ts'
import type { UnifiedLimits } from '../manager/unified-limits/unified-limits.ts'

export interface QuotaApi {
  board: Board
  outside: OutsideClaims
  past: HistoryBoard
  unified: UnifiedLimits
  waiting: WaitingBoard
}
