/** Ends what a run started: its process groups, and every process that carries the run's mark in its environment. */
import { readdirSync, readFileSync } from 'node:fs'

/** Each process of a run inherits this variable; a daemon that left its process group is still found by it. */
export const markVariable = 'QUAYSTONE_TEST_RUN'

const isGone = (error: unknown): boolean =>
  ['ESRCH', 'ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')

export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch (error) {
    if (isGone(error)) return ''
    throw error
  }
}

/** Linux only; elsewhere there is no /proc and nothing is found. */
export function findMarked(mark: string): number[] {
  const wanted = `${markVariable}=${mark}`
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.filter((pid) => environmentOf(pid).split('\0').includes(wanted)).map(Number)
}

export function killMarked(mark: string): number[] {
  const found = findMarked(mark)
  for (const pid of found) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
  return found
}
