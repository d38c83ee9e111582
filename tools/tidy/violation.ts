/** One breach of a house rule, as every checker of `tools/` reports it. */
export interface Violation {
  readonly rule: string
  /** From the root of the repository. */
  readonly file: string
  readonly line: number
  readonly message: string
}
