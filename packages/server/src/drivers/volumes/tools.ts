/** Runs the system's own tools for files, loop devices and file systems, and says their failures in our kinds. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { conflict, tooLarge } from '#platform/errors/errors.ts'

const execute = promisify(execFile)

interface Failure {
  code?: number | string
  stderr?: string
  message: string
}

/**
 * What a tool wrote. Throws `tooLarge` for a full disk and `conflict` for the rest, in the tool's words: whoever
 * asked is told, and may ask again.
 */
export async function run(tool: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await execute(tool, args, { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 2 ** 20 })
    return stdout
  } catch (error) {
    throw refusalOf(tool, error as Failure)
  }
}

/** The same where failure is an answer. */
export async function succeeds(tool: string, ...args: string[]): Promise<boolean> {
  return await run(tool, ...args).then(
    () => true,
    () => false,
  )
}

function refusalOf(tool: string, failure: Failure): Error {
  const words = failure.stderr?.trim().split('\n').at(-1) ?? failure.message
  if (failure.code === 'ENOENT') {
    return conflict(`Volumes need ${tool} on their host (Debian: apt-get install e2fsprogs util-linux)`, {
      reason: 'tool-missing',
    })
  }
  if (/No space left/.test(words)) return tooLarge(`The host's disk is full: ${words}`, { reason: 'disk-full' })
  if (/busy/i.test(words)) return conflict(words, { reason: 'busy' })
  return conflict(`${tool} failed: ${words}`, { reason: 'tool-failed', tool })
}
