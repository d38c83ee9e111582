/** What the suite knows about one test after it ran, and counts of them: plain values, passed as lines of JSON. */

export type Verdict = 'passed' | 'failed' | 'skipped'

export interface Outcome {
  readonly kind: 'test' | 'suite'
  readonly name: string
  /** False for a test that failed only because one inside it did. */
  readonly ownFailure: boolean
  readonly verdict: Verdict
  /** The error of a failed test, the reason of a skipped one. */
  readonly why: string
}

/** The line that says: all tests of the file have been told. */
export interface RunEnd {
  readonly kind: 'end'
}

export type Counts = Record<Verdict, number>

export const noCounts = (): Counts => ({ passed: 0, failed: 0, skipped: 0 })

export function addCounts(into: Counts, more: Counts): void {
  into.passed += more.passed
  into.failed += more.failed
  into.skipped += more.skipped
}
