/** The runner of the suite must notice every way in which tests can fail, or vanish. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { findMarked, killMarked, markVariable } from './leftovers.ts'
import { runFiles, type FilesRun } from './run-files.ts'

const head = "import { describe, it, test, before } from 'node:test'\nimport assert from 'node:assert/strict'\n"
const longMs = 60_000

async function countOf(t: TestContext, body: string, options: Partial<FilesRun> = {}) {
  const root = mkdtempSync(join(tmpdir(), 'quaystone-runner-'))
  t.after(() => rmSync(root, { recursive: true }))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(join(root, 'one.test.ts'), head + body)
  const usual = { env: process.env, filesAtOnce: 1, fileTimeoutMs: longMs, timeoutMs: longMs }
  return runFiles({ ...usual, ...options, root, files: ['one.test.ts'] })
}

test('passed, failed and skipped tests are counted, suites are not', async (t) => {
  const body =
    "describe('suite', () => { it('is', () => {}); it('fails', () => assert.equal(1, 2)); it.skip('later', () => {}) })"
  assert.deepEqual(await countOf(t, body), { passed: 1, failed: 1, skipped: 1 })
})

test('a file that cannot be loaded is a failure', async (t) => {
  assert.deepEqual(await countOf(t, "import './not-there.ts'\ntest('never', () => {})"), {
    passed: 0,
    failed: 1,
    skipped: 0,
  })
})

test('a file that holds no test is a failure', async (t) => {
  assert.deepEqual(await countOf(t, 'void [describe, it, test, before, assert]'), {
    passed: 0,
    failed: 1,
    skipped: 0,
  })
})

test('a hook that throws is a failure even when no test ran', async (t) => {
  const counts = await countOf(
    t,
    "describe('suite', () => { before(() => { throw new Error('no') }); it('is', () => {}) })",
  )
  assert.ok(counts.failed >= 1)
  assert.equal(counts.passed, 0)
})

for (const code of [0, 3]) {
  test(`a file that ends its process in the middle is a failure, with code ${code}`, async (t) => {
    const counts = await countOf(
      t,
      `test('is', () => {})\ntest('ends', () => process.exit(${code}))\ntest('lost', () => {})`,
    )
    assert.ok(counts.failed >= 1)
  })
}

const hangs = "test('is', () => {})\ntest('hangs', () => new Promise(() => setInterval(() => {}, 1000)))"

test('a test that never ends is stopped by the time limit of its file and counted', async (t) => {
  const counts = await countOf(t, hangs, { fileTimeoutMs: 3_000 })
  assert.equal(counts.passed, 1)
  assert.ok(counts.failed >= 1)
})

test('a test that never ends is stopped by the time limit of the layer and counted', async (t) => {
  const counts = await countOf(t, hangs, { timeoutMs: 2_000 })
  assert.ok(counts.failed >= 1)
})

test('a file whose tests pass but that leaves a timer running is a failure', async (t) => {
  const counts = await countOf(t, "setInterval(() => {}, 1000)\ntest('is', () => {})", { fileTimeoutMs: 3_000 })
  assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 0 })
})

test(
  'a process that left the group of its test is found by its mark and ended',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const mark = randomUUID()
    const body = `import { spawn } from 'node:child_process'
    test('leaves', () => { spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref() })`
    await countOf(t, body, { env: { ...process.env, [markVariable]: mark } })
    const left = findMarked(mark)
    assert.equal(left.length, 1)
    assert.deepEqual(killMarked(mark), left)
  },
)
