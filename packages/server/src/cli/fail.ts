/** How a command ends badly: one sentence for expected problems, the whole error for faults of the program. */
import { StartProblem } from '../app/data-dir.ts'
import { ConfigProblem } from '#platform/config/config.ts'
import { isRefusal } from '#platform/errors/errors.ts'

const listenProblems: Record<string, (error: NodeJS.ErrnoException & { port?: number; address?: string }) => string> =
  {
    EADDRINUSE: ({ port }) => `Port ${port} is in use by another program. Choose another with --port.`,
    EACCES: ({ port, path }) =>
      port === undefined ? `No permission: ${path}.` : `Port ${port} needs root. Choose one above 1023 with --port.`,
    EADDRNOTAVAIL: ({ address }) =>
      `The address ${address} does not belong to this machine. Choose another with --listen.`,
  }

const sentenceOf = (error: unknown): string | undefined => {
  if (error instanceof StartProblem || error instanceof ConfigProblem || isRefusal(error)) return error.message
  const code = (error as NodeJS.ErrnoException)?.code
  return code ? listenProblems[code]?.(error as NodeJS.ErrnoException) : undefined
}

/** Prints why, and exits with 1. */
export const failWith = (error: unknown): never => {
  const sentence = sentenceOf(error)
  process.stderr.write(
    sentence ? `quaystone: ${sentence}\n` : `quaystone: unexpected error\n${(error as Error)?.stack ?? error}\n`,
  )
  process.exit(1)
}
