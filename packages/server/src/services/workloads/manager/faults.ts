/** Faults as people read them: what happened, what it means, and what to do. */
import type { Rejection } from '#engines/scheduler/model.ts'
import { explainRejections } from '#engines/scheduler/schedule.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Workload, WorkloadSpec } from '../facade.ts'
import type { ContainerStatus } from '../ports.ts'

export type Fault = NonNullable<Workload['fault']>

/** The sentence that OpenStack's clients know, with every filter's reason as its details. */
export const noValidHost = (placement: { considered: number; rejections: Rejection[] }, at: number): Fault => ({
  code: 500,
  at,
  message: 'No valid host was found. There are not enough hosts available.',
  details: explainRejections(placement),
})

export const noCommand = (imageId: string, at: number): Fault => ({
  code: 400,
  at,
  message: `Image ${imageId} has no CMD and no ENTRYPOINT, so a container made from it has nothing to run`,
  details:
    `Set the command on the image: openstack image set --property os_command_line='sleep infinity' ${imageId}, ` +
    'or upload an image that was built with CMD or ENTRYPOINT.',
})

export const buildFailed = (error: unknown, step: string | null, at: number): Fault => ({
  code: codeOf(error),
  at,
  message: `Build of the container failed${step === null ? '' : ` at step '${step}'`}: ${sentenceOf(error)}`,
  details: detailsOf(error),
})

export const orderFailed = (order: string, error: unknown, at: number): Fault => ({
  code: codeOf(error),
  at,
  message: `'${order}' failed: ${sentenceOf(error)}`,
  details: detailsOf(error),
})

export const containerGone = (at: number): Fault => ({
  code: 500,
  at,
  message: 'The container was removed from its host by somebody else',
  details: 'A hard reboot or a rebuild makes it anew from its image; what was written inside the old one is lost.',
})

/** A command that ended by itself: its code, its last words, and what usually helps. */
export function commandEnded(status: ContainerStatus, lastWords: string, spec: WorkloadSpec, at: number): Fault {
  const { exitCode, oomKilled, command } = status
  const said = lastWords.trim() === '' ? 'It wrote nothing.' : `Its last lines:\n${lastWords.trimEnd()}`
  return {
    code: 500,
    at,
    message: oomKilled
      ? `The command was killed: it needed more than its ${spec.resources.ramMiB} MiB of memory (exit code ${exitCode})`
      : `The command '${shown(command)}' ended with exit code ${exitCode}${meaningOf(exitCode)}`,
    details: `${remedyOf(status)} ${said}`,
  }
}

const shown = (command: string[]): string => command.join(' ').slice(0, 200)

function meaningOf(exitCode: number): string {
  if (exitCode === 0) return ': it finished'
  if (exitCode === 126) return ': it cannot be executed'
  if (exitCode === 127) return ': there is no such command in the image'
  return exitCode > 128 && exitCode < 160 ? `: signal ${exitCode - 128} ended it` : ''
}

function remedyOf({ exitCode, oomKilled }: ContainerStatus): string {
  if (oomKilled) return 'Use a flavor with more memory.'
  if (exitCode === 0) {
    return (
      'A server runs as long as its command does: give the image a command that stays in the foreground, ' +
      "for example with the property os_command_line='sleep infinity'."
    )
  }
  return 'Correct the command or its environment (image property os_command_line, server metadata), then rebuild.'
}

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Nova's faults know these codes; the rest is a fault of the cloud. */
const codes: Readonly<Record<string, number>> = {
  badRequest: 400,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  overLimit: 413,
}
const codeOf = (error: unknown): number => (isRefusal(error) ? (codes[error.kind] ?? 500) : 500)

const detailsOf = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? '' : sentenceOf(cause)
}
