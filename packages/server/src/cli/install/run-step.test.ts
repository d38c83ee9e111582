/** Steps of an installation: silent when quick, with progress when slow, with the tool's own words when they fail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ManualClock, systemClock } from '#platform/clock/clock.ts'
import { runStep, withProgress } from './run-step.ts'

const contextWith = (clock: InstanceType<typeof ManualClock> | typeof systemClock) => {
  const lines: string[] = []
  return { clock, say: (line: string) => void lines.push(line), lines, allowInstall: true, isRoot: false }
}

test('a quick step says nothing', async () => {
  const context = contextWith(new ManualClock())
  assert.equal(await withProgress(context, 'counting', Promise.resolve(7)), 7)
  assert.deepEqual(context.lines, [])
})

test('a slow step says so after a second, then every five, then how long it took', async () => {
  const clock = new ManualClock()
  const context = contextWith(clock)
  const work = Promise.withResolvers<void>()
  const waiting = withProgress(context, 'installing', work.promise)
  for (const ms of [1_000, 5_000, 5_000]) {
    clock.advance(ms)
    await setImmediate()
  }
  work.resolve()
  await waiting
  assert.deepEqual(context.lines, [
    'installing …',
    'installing … 6 s',
    'installing … 11 s',
    'installing: ended after 11 s',
  ])
})

test('a step that fails shows the last words of the tool and the remedy', async () => {
  const step = { label: 'mixing', command: 'sh', args: ['-c', 'echo no flour >&2; exit 4'], remedy: 'Buy flour.' }
  await assert.rejects(runStep(contextWith(systemClock), step), (error: Error) =>
    /ended with 4\. Buy flour\.\nno flour/.test(error.message),
  )
})

test('a tool that is not there is a failure with its name', async () => {
  const step = { label: 'mixing', command: 'quaystone-no-such-tool', args: [], remedy: 'Install it.' }
  await assert.rejects(runStep(contextWith(systemClock), step), /quaystone-no-such-tool/)
})
