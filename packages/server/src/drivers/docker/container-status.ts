/** Reads the engine's account of a container. */
import { labels, type ContainerState, type ContainerStatus } from '#services/workloads/ports.ts'
import { driverLabels } from './container-create.ts'
import type { Command } from './effective-command.ts'

/** The part of `GET /containers/{id}/json` that is read. */
export interface EngineContainer {
  Id: string
  Name: string
  RestartCount: number
  State: {
    Status: ContainerState
    Pid: number
    ExitCode: number
    OOMKilled: boolean
    Error: string
    StartedAt: string
    FinishedAt: string
  }
  Config: {
    Image: string
    Tty: boolean
    Labels: Record<string, string> | null
    Entrypoint: string[] | null
    Cmd: string[] | null
  }
  HostConfig: { Privileged: boolean; NetworkMode: string; NanoCpus: number; Memory: number }
}

/** The user's command: from the label that `create` wrote, for `Config` may hold the gate's. */
export function commandOf({ Config }: EngineContainer): Command {
  const written = Config.Labels?.[driverLabels.command]
  if (written) return JSON.parse(written) as Command
  return { entrypoint: Config.Entrypoint ?? [], command: Config.Cmd ?? [] }
}

const never = /^0001-/
const time = (text: string) => text === '' || never.test(text) ? undefined : text

export function statusOf(container: EngineContainer): ContainerStatus {
  const { State, Config, HostConfig } = container
  const { entrypoint, command } = commandOf(container)
  const { [driverLabels.command]: _command, [driverLabels.gate]: gate, ...shown } = Config.Labels ?? {}
  return {
    id: container.Id,
    workloadId: shown[labels.workload],
    name: container.Name.replace(/^\//, ''),
    state: State.Status,
    pid: State.Pid,
    exitCode: State.ExitCode,
    oomKilled: State.OOMKilled,
    restartCount: container.RestartCount,
    error: State.Error,
    startedAt: time(State.StartedAt),
    finishedAt: time(State.FinishedAt),
    privileged: HostConfig.Privileged,
    labels: shown,
    image: Config.Image,
    command: [...entrypoint, ...command],
    networkMode: HostConfig.NetworkMode,
    gated: Boolean(gate),
  }
}
