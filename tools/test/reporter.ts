/** A reporter of `node:test` that writes each outcome as one line of JSON, for tools/test/run-file.ts to read. */
import { inspect } from 'node:util'
import type { TestEvent } from 'node:test/reporters'
import type { Outcome, RunEnd } from './outcome.ts'

/** Missing when the process ended in the middle, with whatever code. */
const lastLine: RunEnd = { kind: 'end' }

type Ended = TestEvent & { type: 'test:pass' | 'test:fail' }

/** Frames of the runner itself say nothing about the test. */
function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const text = typeof cause === 'string' ? cause : inspect(cause, { depth: 6, breakLength: 120 })
  return text
    .split('\n')
    .filter((line) => !/^\s+at .*\(?node:internal/.test(line))
    .join('\n')
}

function verdictOf({ type, data }: Ended): Outcome['verdict'] {
  const notRun = [data.skip, data.todo].some((mark) => mark !== undefined && mark !== false)
  if (notRun) return 'skipped'
  return type === 'test:pass' ? 'passed' : 'failed'
}

/** A suite is no test of its own; one that fails for its own reason (a hook that threw) counts as one. */
function ownFailure(event: Ended): boolean {
  if (event.type !== 'test:fail') return false
  return (event.data.details.error as { failureType?: string }).failureType !== 'subtestsFailed'
}

function outcomeOf(event: Ended): Outcome {
  const { name, details, skip, todo } = event.data
  const verdict = verdictOf(event)
  const own = ownFailure(event)
  return {
    kind: details.type === 'suite' && !own ? 'suite' : 'test',
    name,
    ownFailure: own,
    verdict,
    why: verdict === 'failed' && 'error' in details ? explain(details.error) : String(skip ?? todo ?? ''),
  }
}

export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type === 'test:pass' || event.type === 'test:fail') yield `${JSON.stringify(outcomeOf(event))}\n`
    if (event.type === 'test:summary') yield `${JSON.stringify(lastLine)}\n`
  }
}
