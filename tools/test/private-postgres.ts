/** A PostgreSQL of the run's own: a fresh cluster in a temporary directory on a free loopback port, gone afterwards. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, globSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer, connect, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { killGroup } from './leftovers.ts'

export interface PrivatePostgres {
  readonly url: string
  stop(): Promise<void>
}

const readyTimeoutMs = 30_000
/** Durability costs time and a test's data is thrown away. */
const settings = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'max_connections=200',
  'shared_buffers=64MB',
  'listen_addresses=127.0.0.1',
]

/** The newest installed version's programs, or undefined when there is no PostgreSQL. */
export function findPostgresBin(): string | undefined {
  return globSync('/usr/lib/postgresql/*/bin')
    .sort((a, b) => Number(a.split('/')[4]) - Number(b.split('/')[4]))
    .at(-1)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  return port
}

/** PostgreSQL refuses to run as root; root runs it as the user that Debian's package made. */
function asPostgres(): { uid?: number; gid?: number; user: string } {
  if (process.getuid?.() !== 0) return { user: userInfo().username }
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g'), user: 'postgres' }
}

export async function startPrivatePostgres(bin: string, env: NodeJS.ProcessEnv): Promise<PrivatePostgres> {
  const directory = mkdtempSync(join(tmpdir(), 'quaystone-pg-'))
  const { uid, gid, user } = asPostgres()
  if (uid !== undefined && gid !== undefined) chownSync(directory, uid, gid)
  const data = join(directory, 'data')
  const run = { uid, gid, env, cwd: directory }
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-A', 'trust', '-U', user, '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...run, stdio: 'ignore' },
  )
  const port = await freePort()
  const log = join(directory, 'log')
  const out = openSync(log, 'w')
  const args = ['-D', data, '-p', String(port), '-k', directory, ...settings.flatMap((setting) => ['-c', setting])]
  const server = spawn(join(bin, 'postgres'), args, { ...run, detached: true, stdio: ['ignore', out, out] })
  const stop = async (): Promise<void> => {
    await stopServer(server)
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await untilListening(server, port)
  } catch (error) {
    const words = readFileSync(log, 'utf8').trimEnd().slice(-500)
    await stop()
    throw new Error(`The private PostgreSQL did not start: ${words}`, { cause: error })
  }
  return { url: `postgres://${user}@127.0.0.1:${port}/postgres`, stop }
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, 'exit')
  server.kill('SIGQUIT') // at once, without writing a checkpoint
  await Promise.race([ended, sleep(5_000, undefined, { ref: false })])
  killGroup(server.pid)
}

async function untilListening(server: ChildProcess, port: number): Promise<void> {
  const end = Date.now() + readyTimeoutMs
  while (Date.now() < end && server.exitCode === null) {
    if (await accepts(port)) return
    await sleep(50)
  }
  throw new Error(`No answer on port ${port}.`)
}

/** True once the server answers a start-up packet with anything but "starting up". */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
    const socket = connect(port, '127.0.0.1', () => socket.write(sslRequest))
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
