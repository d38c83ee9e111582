/** One shell, many scripts: outputs, complaints and exit codes stay apart; a dead shell is replaced. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeptShells } from './kept-shells.ts'

test('scripts run one after another in the same shell, each with its own words and exit code', async () => {
  const shells = new KeptShells()
  const first = await shells.run('echo $PPID $$; echo oops >&2; exit 3')
  assert.deepEqual([first.code, first.complaints.trim()], [3, 'oops'])
  const second = await shells.run("echo $PPID $$\ncat <<'END'\n$kept ( as it is\nEND")
  const [pids, kept] = second.output.split('\n')
  assert.deepEqual([second.code, second.complaints, pids, kept], [0, '', first.output.trim(), '$kept ( as it is'])
})

test('what a script sets is gone with it, and its tools find nothing to read', async () => {
  const shells = new KeptShells()
  await shells.run('set -e; cd /proc; kept=1; readonly kept')
  const { output } = await shells.run('cat; echo "${kept-unset} $(pwd)"; false; echo on')
  assert.equal(output, `unset ${process.cwd()}\non\n`)
})

test('scripts that run at the same time do not wait for each other', async () => {
  const shells = new KeptShells()
  const gate = `${process.env.TMPDIR ?? '/tmp'}/kept-shells-${process.pid}`
  const reads = shells.run(`mkfifo ${gate}; read -r word <${gate}; rm ${gate}; echo $word`)
  await shells.run(`until [ -p ${gate} ]; do :; done; echo through >${gate}`)
  assert.equal((await reads).output, 'through\n')
})

test('a shell that is killed fails its script; the next one runs in a new shell', async () => {
  const shells = new KeptShells()
  await assert.rejects(shells.run('kill -9 $$'), { kind: 'unavailable' })
  assert.equal((await shells.run('echo here')).output, 'here\n')
})

test('large outputs and complaints arrive whole', async () => {
  const { output, complaints } = await new KeptShells().run('seq 1 60000; seq 1 20000 >&2')
  assert.deepEqual([output.split('\n').length, complaints.split('\n').length], [60_001, 20_001])
})
