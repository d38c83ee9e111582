/** Listens to the kernel: somebody changed devices, rules or namespaces of this host. Says only "look again". */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, watch } from 'node:fs'
import type { Clock } from '#platform/clock/clock.ts'
import { namespacePath, type Names } from './names.ts'
import type { Shell } from './shell.ts'

/** Events come in swarms: one call answers them all. */
const settleMs = 100
/** Our own changes are events too: while we are at work a call waits, but not for ever. */
const ownWorkMs = 1000
const patienceMs = 4000
/** Between two calls: the containers of others, too, make devices. */
const spacingMs = 2000
/** A monitor that died is started again, but not in a loop. */
const restartMs = 1000
/** How often rule sets are looked after, and how many namespaces at a time: `nft monitor` hears of its own only. */
const guardMs = 3000
const guardedAtATime = 32

export interface Surroundings {
  shell: Shell
  names: Names
  clock: Clock
  signal: AbortSignal
  /** Path of the namespace that stands for the host's. */
  hostNamespace?: string
}

type Ring = () => Promise<void>

/** Resolves after the abort. Link events come from every namespace that the host's one knows by number. */
export async function watchHost(listener: () => void, around: Surroundings): Promise<void> {
  if (around.signal.aborted) return
  const ring = doorbell(listener, around)
  const enter = around.hostNamespace ? ['nsenter', `--net=${around.hostNamespace}`] : []
  await Promise.all([
    keepRunning([...enter, 'ip', 'monitor', 'link', 'all-nsid'], ring, around),
    keepRunning([...enter, 'nft', 'monitor'], ring, around),
    watchNames(ring, around.signal),
    guardFilters(ring, around),
  ])
}

function doorbell(listener: () => void, { shell, clock, signal }: Surroundings): Ring {
  let isPending = false
  let earliest = 0
  return async () => {
    if (isPending || signal.aborted) return
    isPending = true
    const latest = clock.now() + patienceMs
    const isEarly = (now: number) => now < earliest || (now < latest && now - shell.changedAt() < ownWorkMs)
    do await clock.sleep(settleMs, signal)
    while (!signal.aborted && isEarly(clock.now()))
    isPending = false
    earliest = clock.now() + spacingMs
    if (!signal.aborted) listener()
  }
}

/** A namespace of ours that lost one of our tables is open or dead: some at a time, each in its turn. */
async function guardFilters(ring: Ring, { shell, names, clock, signal }: Surroundings): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    await clock.sleep(guardMs, signal)
    const lost = signal.aborted ? '' : await shell.look(guard(names, turn)).catch(() => '')
    if (lost.trim() !== '') await ring()
  }
}

/** A router has a table of one family, a network of two. */
const guard = (names: Names, turn: number): string => `
inet='inet ${names.table}'; bridge='bridge ${names.table}'
set -- ${namespacePath(names.networkNamespacePrefix)}* ${namespacePath(names.routerNamespacePrefix)}*
from=$(( ${turn} * ${guardedAtATime} % $# )); [ $# -gt ${guardedAtATime} ] || from=0
shift $from; left=${guardedAtATime}
for path in "$@"; do
  [ -e "$path" ] && [ $left -gt 0 ] || continue
  left=$((left - 1))
  case "$path $(nsenter --net="$path" nft list tables 2>/dev/null)" in
    */qrt-*"$inet"* | */qnt-*"$inet"*"$bridge"* | */qnt-*"$bridge"*"$inet"*) ;;
    *) echo "$path" ;;
  esac
done
`

async function keepRunning(command: string[], ring: Ring, { clock, signal }: Surroundings): Promise<void> {
  while (!signal.aborted) {
    await runOnce(command, ring, signal)
    await clock.sleep(restartMs, signal)
    // What happened meanwhile was not heard.
    await ring()
  }
}

/** A monitor writes only when something happens, so a closed pipe would not tell it that this process was killed. */
const endsWithParent = ['--pdeathsig', 'KILL', '--']

function runOnce([tool = '', ...args]: string[], ring: Ring, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const child: ChildProcess = spawn('setpriv', [...endsWithParent, tool, ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const stop = (): void => {
      child.kill()
    }
    signal.addEventListener('abort', stop, { once: true })
    child.stdout?.on('data', () => void ring())
    child.once('error', () => resolve())
    child.once('close', () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
  })
}

function watchNames(ring: Ring, signal: AbortSignal): Promise<void> {
  mkdirSync('/run/netns', { recursive: true })
  const watcher = watch('/run/netns', () => void ring())
  return new Promise((resolve) =>
    signal.addEventListener(
      'abort',
      () => {
        watcher.close()
        resolve()
      },
      { once: true },
    ),
  )
}
