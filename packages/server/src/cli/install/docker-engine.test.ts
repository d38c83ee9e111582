/** Finding a Docker Engine: what is used, and which sentence explains each way in which it cannot be. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { ensureDebianPackages } from './debian-packages.ts'
import { ensureDockerEngine } from './docker-engine.ts'
import type { InstallContext } from './install-context.ts'

const context = (rights: { allowInstall: boolean; isRoot: boolean }): InstallContext & { lines: string[] } => {
  const lines: string[] = []
  return { clock: systemClock, say: (line) => lines.push(line), lines, ...rights }
}

const mayNothing = { allowInstall: false, isRoot: false }

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'quaystone-install-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

async function fakeEngine(t: TestContext, status: number): Promise<string> {
  const socketPath = join(temporaryDirectory(t), 'engine.sock')
  const server = createServer((_, reply) => reply.writeHead(status).end('OK')).listen(socketPath)
  await once(server, 'listening')
  t.after(() => server.close())
  return socketPath
}

test('an engine that answers at DOCKER_HOST is used, and nothing is said or changed', async (t) => {
  const socketPath = await fakeEngine(t, 200)
  const install = context(mayNothing)
  const found = await ensureDockerEngine(install, { dockerHost: `unix://${socketPath}`, logFile: '/dev/null' })
  assert.deepEqual(found, { socketPath })
  assert.deepEqual(install.lines, [])
})

test('a DOCKER_HOST where nothing answers is refused and named, even when installing is allowed', async (t) => {
  const dockerHost = `unix://${join(temporaryDirectory(t), 'nothing.sock')}`
  const attempt = ensureDockerEngine(context({ allowInstall: true, isRoot: true }), {
    dockerHost,
    logFile: '/dev/null',
  })
  await assert.rejects(
    attempt,
    (error: Error) => error.message.includes(dockerHost) && error.message.includes('unset DOCKER_HOST'),
  )
})

test('an engine that answers with an error is not taken for a ready one', async (t) => {
  const dockerHost = `unix://${await fakeEngine(t, 500)}`
  await assert.rejects(
    ensureDockerEngine(context(mayNothing), { dockerHost, logFile: '/dev/null' }),
    /No Docker Engine answers/,
  )
})

test('a DOCKER_HOST that is not a Unix socket is refused with the reason', async () => {
  const request = { dockerHost: 'tcp://192.0.2.1:2375', logFile: '/dev/null' }
  await assert.rejects(ensureDockerEngine(context(mayNothing), request), /not a Unix socket/)
})

test('a missing package is refused with the command that installs it, when nothing may be installed', async () => {
  const attempt = ensureDebianPackages(context(mayNothing), ['quaystone-no-such-package'], 'this test')
  await assert.rejects(attempt, /Missing for this test: quaystone-no-such-package\./)
})

test(
  'a package that no source has is a refusal that says what to check, not a crash',
  { skip: process.getuid?.() !== 0 },
  async () => {
    const tools = { allowInstall: false, isRoot: true }
    await assert.rejects(ensureDebianPackages(context(tools), ['quaystone-no-such-package'], 'this test'), {
      name: 'Refusal',
      kind: 'unavailable',
    })
  },
)
