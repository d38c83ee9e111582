/** The built-in image really boots in Docker: it serves its host name, takes root's key over ssh, and stops at once. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { findProgram } from '../../cli/install/run-step.ts'
import { buildSeedImage, findImagePrograms } from './build.ts'

const name = `seed-image-${randomUUID().slice(0, 8)}`
const patienceMs = 10_000
const docker = (...args: string[]): string =>
  execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
let address = ''
let hasSsh = false

/** Tries until it succeeds; the last error when it never does. */
async function eventually<T>(attempt: () => Promise<T> | T): Promise<T> {
  const endMs = systemClock.now() + patienceMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (systemClock.now() > endMs) throw error
      await systemClock.sleep(100)
    }
  }
}

before(async () => {
  const image = await buildSeedImage(findImagePrograms())
  hasSsh = image.hasSsh
  execFileSync('docker', ['load', '-q'], { input: image.tar, stdio: ['pipe', 'ignore', 'inherit'] })
  docker('run', '-d', '--name', name, '--hostname', 'seed-host', image.tag)
  address = docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', name)
})

after(() => {
  docker('rm', '-f', name)
})

test('its web server answers with the host name', async () => {
  const body = await eventually(async () => (await fetch(`http://${address}/`)).text())
  assert.equal(body, 'seed-host\n')
})

test('its log says what it serves', () => {
  assert.match(docker('logs', name), /seed-host is up, http on port 80/)
})

test(
  'root logs in over ssh with a key',
  { skip: findProgram('ssh') === undefined && 'no ssh client on this machine' },
  async (t) => {
    if (!hasSsh) return t.skip('no dropbear on this machine to put in the image')
    const directory = mkdtempSync(join(tmpdir(), 'quaystone-seed-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const key = join(directory, 'key')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
    docker('cp', `${key}.pub`, `${name}:/root/.ssh/authorized_keys`)
    docker('exec', name, 'chown', '0:0', '/root/.ssh/authorized_keys')
    const options = [
      'StrictHostKeyChecking=no',
      `UserKnownHostsFile=${directory}/hosts`,
      'BatchMode=yes',
      'ConnectTimeout=5',
    ]
    const args = ['-i', key, ...options.flatMap((option) => ['-o', option]), `root@${address}`, 'hostname']
    const said = await eventually(() =>
      execFileSync('ssh', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    assert.equal(said.trim(), 'seed-host')
  },
)

test('it ends by itself on SIGTERM, so that stopping takes no time', () => {
  docker('stop', '-t', '30', name)
  assert.equal(docker('inspect', '-f', '{{.State.ExitCode}}', name), '0')
})
