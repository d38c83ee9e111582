/** Listens to the kernel: somebody changed devices, rules or namespaces of this host. Says only "look again". */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, watch } from 'node:fs'
import type { Clock } from '#platform/clock/clock.ts'

/** Events come in swarms: one call answers them all. */
const settleMs = 100
/** A monitor that died is started again, but not in a loop. */
const restartMs = 1000

/** Resolves after the abort. Link events come from every namespace that the host's one knows by number. */
export async function watchHost(
  listener: () => void,
  options: { clock: Clock; signal: AbortSignal; hostNamespace?: string },
): Promise<void> {
  const { clock, signal, hostNamespace } = options
  let isPending = false
  const ring = async (): Promise<void> => {
    if (isPending || signal.aborted) return
    isPending = true
    await clock.sleep(settleMs, signal)
    isPending = false
    if (!signal.aborted) listener()
  }
  const enter = hostNamespace ? ['nsenter', `--net=${hostNamespace}`] : []
  await Promise.all([
    keepRunning([...enter, 'ip', 'monitor', 'link', 'all-nsid'], ring, { clock, signal }),
    keepRunning([...enter, 'nft', 'monitor'], ring, { clock, signal }),
    watchNames(ring, signal),
  ])
}

async function keepRunning(
  command: string[],
  ring: () => Promise<void>,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await runOnce(command, ring, signal)
    await clock.sleep(restartMs, signal)
    // What happened meanwhile was not heard.
    await ring()
  }
}

function runOnce([tool = '', ...args]: string[], ring: () => Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const child: ChildProcess = spawn(tool, args, { stdio: ['ignore', 'pipe', 'ignore'] })
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

function watchNames(ring: () => Promise<void>, signal: AbortSignal): Promise<void> {
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
