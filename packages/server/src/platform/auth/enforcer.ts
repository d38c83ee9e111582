/** One service's policy, compiled: its default rules with the operator's overrides on top. */
import type { PolicyTarget, TokenData } from './context.ts'

export interface Enforcer {
  /** The rule holds for this caller and target. An unknown rule never holds. */
  check(rule: string, target: PolicyTarget, caller: TokenData): boolean
  /** Why a rule does not hold, as a sentence for the operator's log and the client's 403. */
  explain(rule: string, target: PolicyTarget, caller: TokenData): string
}
