/** What the suite knows about one test, one file and one layer after it ran: plain values, passed as lines of JSON. */

export type Verdict = 'passed' | 'failed' | 'skipped'

export interface Outcome {
  readonly kind: 'test' | 'suite'
  /** Absolute path. */
  readonly file: string
  readonly name: string
  readonly nesting: number
  /** False for a test that failed only because one inside it did. */
  readonly ownFailure: boolean
  readonly verdict: Verdict
  readonly durationMs: number
  /** The error of a failed test, the reason of a skipped one. */
  readonly why: string
}

export interface FileOutput {
  readonly kind: 'output'
  readonly file: string
  readonly text: string
}

export interface FileEnd {
  readonly kind: 'file'
  readonly file: string
  readonly durationMs: number
}

export type ReportLine = Outcome | FileOutput | FileEnd

export type Counts = Record<Verdict, number>

export const noCounts = (): Counts => ({ passed: 0, failed: 0, skipped: 0 })

export function addCounts(into: Counts, more: Counts): void {
  into.passed += more.passed
  into.failed += more.failed
  into.skipped += more.skipped
}
