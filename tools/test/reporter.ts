/** A reporter for `node --test` that writes each outcome as one line of JSON, for tools/test/run-files.ts to read. */
import { inspect } from 'node:util'
import type { TestEvent } from 'node:test/reporters'
import type { Outcome } from './outcome.ts'

const outputCharsMax = 8_000

/** Everything after the first stack frame of the runner itself says nothing about the test. */
function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const text = typeof cause === 'string' ? cause : inspect(cause, { depth: 6, breakLength: 120 })
  return text
    .split('\n')
    .filter((line) => !/^\s+at .*\(?node:internal/.test(line))
    .join('\n')
}

function verdict(event: TestEvent & { type: 'test:pass' | 'test:fail' }): Outcome['verdict'] {
  const skipped = event.data.skip !== undefined && event.data.skip !== false
  const todo = event.data.todo !== undefined && event.data.todo !== false
  if (skipped || todo) return 'skipped'
  return event.type === 'test:pass' ? 'passed' : 'failed'
}

/** A suite is no test of its own; one that fails for its own reason (a hook that threw) counts as one. */
function ownFailure(event: TestEvent & { type: 'test:pass' | 'test:fail' }): boolean {
  if (event.type !== 'test:fail') return false
  return (event.data.details.error as { failureType?: string }).failureType !== 'subtestsFailed'
}

function outcomeOf(event: TestEvent & { type: 'test:pass' | 'test:fail' }): Outcome {
  const { file, name, nesting, details } = event.data
  const found = verdict(event)
  return {
    kind: details.type === 'suite' && !ownFailure(event) ? 'suite' : 'test',
    file: file ?? '',
    name,
    nesting,
    ownFailure: ownFailure(event),
    verdict: found,
    durationMs: details.duration_ms,
    why:
      found === 'failed' && 'error' in details
        ? explain(details.error)
        : String(event.data.skip ?? event.data.todo ?? ''),
  }
}

export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type === 'test:pass' || event.type === 'test:fail') yield `${JSON.stringify(outcomeOf(event))}\n`
    if (event.type === 'test:stderr' || event.type === 'test:stdout') {
      const text = event.data.message.slice(-outputCharsMax)
      yield `${JSON.stringify({ kind: 'output', file: event.data.file, text })}\n`
    }
    if (event.type === 'test:summary' && event.data.file !== undefined) {
      yield `${JSON.stringify({ kind: 'file', file: event.data.file, durationMs: event.data.duration_ms })}\n`
    }
  }
}
