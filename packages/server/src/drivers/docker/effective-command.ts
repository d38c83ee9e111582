/** Docker's rule for what a container runs: a spec's entrypoint drops the image's CMD, its command replaces it. */
import type { ContainerSpec } from '#services/workloads/ports.ts'

export interface Command { entrypoint: string[]; command: string[] }

export function effectiveCommand(spec: Pick<ContainerSpec, 'entrypoint' | 'command'>, image: Command): Command {
  if (spec.entrypoint?.length) return { entrypoint: spec.entrypoint, command: spec.command ?? [] }
  return { entrypoint: image.entrypoint, command: spec.command?.length ? spec.command : image.command }
}
