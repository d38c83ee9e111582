/** The "no" to a change of configuration: a stable code, a sentence, and the numbers behind it. */

export type RuleCode =
  | 'NO_PROJECT'
  | 'PROJECT_EXISTS'
  | 'HAS_CHILDREN'
  | 'IN_USE'
  | 'BAD_SETTING'
  | 'BELOW_USE'
  | 'ABOVE_PARENT'
  | 'POOL_TOO_LARGE'
  | 'ROOT'
  | 'CYCLE'
  | 'DOES_NOT_FIT'
  | 'NO_CLAIM'
  | 'HAS_ALLOCATED'

export interface RuleDetails {
  project?: string
  resource?: string
  field?: string
  min?: number
  max?: number
  asked?: number
  claim?: string
}

export class RuleBroken extends Error {
  readonly code: RuleCode
  readonly details: RuleDetails
  constructor(code: RuleCode, message: string, details: RuleDetails = {}) {
    super(message)
    this.name = 'RuleBroken'
    this.code = code
    this.details = details
  }
}
