/** For tests: a Docker Engine of one's own, in its own network and mount namespace, with nothing left behind. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '#platform/clock/clock.ts'
import { EngineClient } from './engine-client.ts'

const run = promisify(execFile)
const readyMsMax = 60_000
const pauseMs = 50

export interface TestEngineOptions {
  /** Default `dockerd` (Debian's). */
  dockerd?: string
  /** Folder with that daemon's own containerd, runc and so on, put first in its PATH. */
  binDir?: string
  /** More daemon options. */
  args?: string[]
  /** Existing network namespace to run in (`/run/netns/NAME`); default: a new one with nothing but `lo`. */
  netns?: string
}

export interface TestEngine {
  socketPath: string
  /** Scratch of this engine, on a plain file system; removed by `stop`. */
  dir: string
  pid: number
  /** Ends the daemon (SIGTERM, or `kill -9` with `hard`) and starts it again on the same data. */
  restart(options?: { hard?: boolean }): Promise<void>
  stop(): Promise<void>
}

/** Why no private engine can run here; undefined when one can. */
export function engineMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  return existsSync('/usr/sbin/dockerd') ? undefined : 'needs dockerd (Debian: docker.io)'
}

/**
 * A daemon is never started with `--bridge none` in a shared namespace: it would delete the other daemons' docker0.
 * Its namespaces end with it; data, exec and pid files are below one temporary directory.
 */
export async function startTestEngine(options: TestEngineOptions = {}): Promise<TestEngine> {
  const dir = await mkdtemp('/tmp/quaystone-engine-')
  const socketPath = join(dir, 'docker.sock')
  let daemon = await startDaemon(dir, options)
  return {
    socketPath, dir,
    get pid() { return daemon.pid! },
    restart: async ({ hard = false } = {}) => {
      await end(daemon, dir, hard)
      daemon = await startDaemon(dir, options)
    },
    stop: async () => {
      try {
        if (isAlive(daemon)) await removeContainers(socketPath)
      } finally {
        await end(daemon, dir, false)
        await endLeftOvers(dir)
        await rm(dir, { recursive: true, force: true })
      }
    },
  }
}

/**
 * `/run` is shared by all daemons of a machine (the runtime's state is there), so each gets its own: a file system
 * in the test's directory, kept over restarts as a real `/run` is.
 */
const daemonScript = `
set -e
ip link set lo up
mkdir -p "$DIR/run"
mount --bind "$DIR/run" /run
exec "$@"
`

async function startDaemon(dir: string, options: TestEngineOptions): Promise<ChildProcess> {
  const { dockerd = 'dockerd', binDir, args = [], netns } = options
  // What is shared outside is seen inside, and nothing of its own gets out.
  const mounts = ['--mount', '--propagation', 'slave']
  const namespaces =
    netns === undefined ? ['unshare', '--net', ...mounts] : ['nsenter', `--net=${netns}`, 'unshare', ...mounts]
  const flags = [
    '--data-root',
    join(dir, 'data'),
    '--exec-root',
    join(dir, 'exec'),
    '--pidfile',
    join(dir, 'pid'),
    '-H',
    `unix://${join(dir, 'docker.sock')}`,
  ]
  const command = [...namespaces, 'sh', '-c', daemonScript, 'sh', dockerd, ...flags, '--log-level', 'warn', ...args]
  await mkdir(dir, { recursive: true })
  const PATH = binDir === undefined ? process.env['PATH'] : `${binDir}:${process.env['PATH']}`
  const log = await open(join(dir, 'log'), 'a')
  const daemon = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
    env: { ...process.env, DIR: dir, PATH },
  })
  await log.close()
  await ready(daemon, dir)
  return daemon
}

async function ready(daemon: ChildProcess, dir: string): Promise<void> {
  const client = new EngineClient({ socketPath: join(dir, 'docker.sock') })
  for (let waited = 0; waited < readyMsMax; waited += pauseMs) {
    if (daemon.exitCode !== null) break
    const answered = await client.text('GET', '/_ping').then(() => true, () => false)
    if (answered) return await client.close()
    await systemClock.sleep(pauseMs)
  }
  await client.close()
  throw new Error(`The test engine did not come up: ${(await readFile(join(dir, 'log'), 'utf8')).slice(-2000)}`)
}

const isAlive = (daemon: ChildProcess) => daemon.exitCode === null && daemon.signalCode === null

async function end(daemon: ChildProcess, dir: string, hard: boolean): Promise<void> {
  if (isAlive(daemon)) {
    const gone = new Promise<void>((resolve) => daemon.once('exit', () => resolve()))
    daemon.kill(hard ? 'SIGKILL' : 'SIGTERM')
    await gone
  }
  if (hard) await endContainerd(dir)
}

/** A killed daemon's containerd dies shortly after it; a new daemon that still sees its PID would wait in vain. */
async function endContainerd(dir: string): Promise<void> {
  const home = join(dir, 'exec', 'containerd')
  const isContainerd = ({ argv }: Process) => /containerd$/.test(argv[0] ?? '') && argv.join(' ').includes(home)
  for (
    let left = (await processes()).filter(isContainerd);
    left.length > 0;
    left = (await processes()).filter(isContainerd)
  ) {
    for (const { pid } of left) kill(pid)
    await systemClock.sleep(pauseMs)
  }
  await Promise.all(['containerd.pid', 'containerd.sock'].map((name) => rm(join(home, name), { force: true })))
}

interface Process { pid: number; argv: string[] }

async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  return await Promise.all(
    pids.map(async (pid) => ({
      pid,
      argv: (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).split('\0'),
    })),
  )
}

/** Containers of a daemon that died are children of shims that name its directory. */
async function endLeftOvers(dir: string): Promise<void> {
  for (const { pid } of (await processes()).filter(
    ({ argv }) => argv.includes('-namespace') && argv.some((word) => word.startsWith(dir)),
  )) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
    for (const child of children
      .split(' ')
      .map(Number)
      .filter((one) => one > 0))
      kill(child)
    kill(pid)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error
  }
}

async function removeContainers(socketPath: string): Promise<void> {
  const client = new EngineClient({ socketPath })
  try {
    const containers = await client.json<{ Id: string }[]>('GET', '/containers/json', { query: { all: 1 } })
    await Promise.all(
      containers.map(({ Id }) => client.text('DELETE', `/containers/${Id}`, { query: { force: 1, v: 1 } })),
    )
  } finally {
    await client.close()
  }
}

/** The root file system of a busybox image, as a tar: no registry is needed. `uid 1000` is its user `app`. */
export async function busyboxRootTar(busyboxPath = '/bin/busybox'): Promise<Buffer> {
  const dir = await mkdtemp('/tmp/quaystone-root-')
  try {
    for (const name of ['bin', 'etc', 'tmp', 'srv']) await mkdir(join(dir, name))
    await run('cp', [busyboxPath, join(dir, 'bin/busybox')])
    await run(join(dir, 'bin/busybox'), ['--install', '-s', join(dir, 'bin')])
    await run('sh', ['-c', 'for one in bin/*; do [ -L "$one" ] && ln -sf busybox "$one"; done; true'], { cwd: dir })
    await writeFile(join(dir, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n')
    await writeFile(join(dir, 'etc/group'), 'root:x:0:\napp:x:1000:\n')
    const { stdout } = await run('tar', ['-C', dir, '-c', '.'], { encoding: 'buffer', maxBuffer: 64 << 20 })
    return stdout
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A root file system that holds one static program, `/echo`, and no shell. */
export async function staticEchoTar(busyboxPath = '/bin/busybox'): Promise<Buffer> {
  const { stdout } = await run('tar', ['--transform', 's|.*|echo|', '-c', '-P', busyboxPath], {
    encoding: 'buffer',
    maxBuffer: 64 << 20,
  })
  return stdout
}
