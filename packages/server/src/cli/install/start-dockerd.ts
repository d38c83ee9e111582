/** Starts the installed Docker daemon in the way of this machine, and waits until it answers. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isRefusal, unavailable } from '#platform/errors/errors.ts'
import { pingEngine } from './engine-ping.ts'
import type { InstallContext } from './install-context.ts'
import { findProgram, runStep, withProgress } from './run-step.ts'

export interface DaemonStart {
  readonly socketPath: string
  /** Where a daemon that we started ourselves writes; its directory is made when missing. */
  readonly logFile: string
}

const readyTimeoutMs = 60_000
const initScriptTimeoutMs = 15_000
const askEveryMs = 100
const remedy = 'Start the Docker Engine by hand ("dockerd" shows why it stops), then start Quaystone again.'
/** The daemon outlives us, so it gets only what it needs of our environment. */
const inheritedVariables = [
  'PATH',
  'HOME',
  'LANG',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
]

/** By systemd where it runs, else by the init script, else as a process of its own session that outlives this one. */
export async function startDockerd(context: InstallContext, start: DaemonStart): Promise<void> {
  if (existsSync('/run/systemd/system')) {
    await runStep(context, { label: 'starting Docker', command: 'systemctl', args: ['start', 'docker'], remedy })
    return waitUntilReady(context, start, { timeoutMs: readyTimeoutMs })
  }
  if (existsSync('/etc/init.d/docker') && (await startedByInitScript(context, start))) return
  await startAsProcess(context, start)
}

async function startedByInitScript(context: InstallContext, start: DaemonStart): Promise<boolean> {
  try {
    await runStep(context, { label: 'starting Docker', command: 'service', args: ['docker', 'start'], remedy })
    await waitUntilReady(context, start, { timeoutMs: initScriptTimeoutMs })
    return true
  } catch (error) {
    if (!isRefusal(error)) throw error
    context.say('the init script did not start Docker; starting dockerd itself')
    return false
  }
}

async function startAsProcess(context: InstallContext, start: DaemonStart): Promise<void> {
  try {
    await spawnDockerd(context, start)
  } catch (error) {
    if (!isFirewallTrouble(tailOf(start.logFile)) || !existsSync('/usr/sbin/iptables-legacy')) throw error
    await useLegacyIptables(context)
    await spawnDockerd(context, start)
  }
}

async function spawnDockerd(context: InstallContext, start: DaemonStart): Promise<void> {
  mkdirSync(dirname(start.logFile), { recursive: true })
  const log = openSync(start.logFile, 'a', 0o600)
  const env = Object.fromEntries(
    inheritedVariables.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
  const daemon = spawn(findProgram('dockerd') ?? 'dockerd', ['--host', `unix://${start.socketPath}`], {
    env,
    detached: true,
    stdio: ['ignore', log, log],
  })
  let failed = false
  daemon.once('error', () => {
    failed = true // it could not even be executed; the wait ends, and the refusal names the log
  })
  closeSync(log)
  daemon.unref()
  await waitUntilReady(context, start, { timeoutMs: readyTimeoutMs, over: () => daemon.exitCode !== null || failed })
}

interface Wait {
  readonly timeoutMs: number
  /** True once waiting has no more sense; another starter's daemon may still answer, so we ask once more. */
  readonly over?: () => boolean
}

async function waitUntilReady(context: InstallContext, start: DaemonStart, wait: Wait): Promise<void> {
  const endMs = context.clock.now() + wait.timeoutMs
  const poll = async (): Promise<boolean> => {
    while (context.clock.now() < endMs && wait.over?.() !== true) {
      if ((await pingEngine(start.socketPath)) === 'ready') return true
      await context.clock.sleep(askEveryMs)
    }
    return (await pingEngine(start.socketPath)) === 'ready'
  }
  if (await withProgress(context, 'waiting for Docker to answer', poll())) return
  throw unavailable(`Docker did not start. Its log is ${start.logFile}. ${remedy}\n${tailOf(start.logFile)}`)
}

/** Kernels without nf_tables need the older tool; Debian keeps both and an alternative that selects one. */
async function useLegacyIptables(context: InstallContext): Promise<void> {
  context.say('this kernel lacks the newer iptables backend; selecting iptables-legacy, as Debian advises')
  for (const name of ['iptables', 'ip6tables']) {
    const args = ['--set', name, `/usr/sbin/${name}-legacy`]
    await runStep(context, { label: `selecting ${name}-legacy`, command: 'update-alternatives', args, remedy })
  }
}

const isFirewallTrouble = (log: string): boolean =>
  /failed to (?:initialize nft|register "bridge" driver.*iptables)|can't initialize iptables/i.test(log)

function tailOf(logFile: string): string {
  return existsSync(logFile) ? readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-8).join('\n') : ''
}
