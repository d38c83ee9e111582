/** Writes a container spec in the engine's words. */
import { badRequest } from '#platform/errors/errors.ts'
import { labels, type ContainerMount, type ContainerSpec } from '#services/workloads/ports.ts'
import type { Command } from './effective-command.ts'
import { gatedCommand, gateMountPoint } from './gate-command.ts'

/** Labels of this driver alone: the user's command (commit and inspect need it), and that there is a gate. */
export const driverLabels = { command: 'org.quaystone.command', gate: 'org.quaystone.gate' } as const

/** A tenant's output may not fill the host's disk. */
const logConfig = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } }

/** The least that the engine accepts as a cap. */
const cpusMin = 0.01

export interface CreateContext {
  cloudId: string
  /** CPUs of the engine's host: it refuses a cap above them. */
  hostCpus: number
  image: Command & { env: string[] }
  command: Command
  /** Host directory of the gate, for gated containers. */
  gateDir?: string
}

export const isGated = (spec: ContainerSpec): boolean => spec.gated ?? spec.networkMode === 'none'

export function createBody(spec: ContainerSpec, context: CreateContext): Record<string, unknown> {
  const own = Object.entries(spec.env).map(([name, value]) => `${name}=${value}`)
  const names = new Set(Object.keys(spec.env))
  const inherited = context.image.env.filter((pair) => !names.has(pair.split('=', 1)[0]!))
  const ran = context.gateDir === undefined ? context.command : gatedCommand(context.command, [...inherited, ...own])
  const ownNetwork = !spec.networkMode.startsWith('container:')
  return {
    Image: spec.image,
    Entrypoint: ran.entrypoint,
    Cmd: ran.command,
    Env: own,
    User: spec.user,
    WorkingDir: spec.workingDir,
    ...(ownNetwork && { Hostname: spec.hostname, Domainname: spec.domainname, ExposedPorts: exposedPorts(spec) }),
    Tty: spec.tty ?? false,
    OpenStdin: spec.stdinOpen ?? false,
    StopSignal: spec.stopSignal,
    Labels: containerLabels(spec, context),
    Healthcheck: healthCheck(spec),
    HostConfig: hostConfig(spec, context),
  }
}

function containerLabels(spec: ContainerSpec, { cloudId, command, gateDir }: CreateContext): Record<string, string> {
  return {
    ...spec.labels, [labels.owner]: 'quaystone', [labels.cloud]: cloudId, [labels.workload]: spec.workloadId,
    [driverLabels.command]: JSON.stringify(command), [driverLabels.gate]: gateDir === undefined ? '' : 'fifo',
  }
}

function hostConfig(spec: ContainerSpec, context: CreateContext): Record<string, unknown> {
  const ownNetwork = !spec.networkMode.startsWith('container:')
  const gate =
    context.gateDir === undefined
      ? []
      : [{ Type: 'bind', Source: context.gateDir, Target: gateMountPoint, ReadOnly: true }]
  return {
    ...resourceLimits(spec.resources, context.hostCpus),
    LogConfig: logConfig,
    NetworkMode: spec.networkMode,
    Mounts: [...spec.mounts.map(mount), ...gate],
    ...(ownNetwork && {
      PortBindings: portBindings(spec), Dns: spec.dns, DnsSearch: search(spec), ExtraHosts: extraHosts(spec),
    }),
    RestartPolicy: {
      Name: spec.restartPolicy?.name ?? 'no',
      MaximumRetryCount: spec.restartPolicy?.maximumRetries ?? 0,
    },
    CapAdd: spec.capAdd,
    CapDrop: spec.capDrop,
    Privileged: spec.privileged ?? false,
    ReadonlyRootfs: spec.readOnly ?? false,
    Devices: spec.devices?.map((device) => ({
      PathOnHost: device.hostPath,
      PathInContainer: device.containerPath,
      CgroupPermissions: device.permissions,
    })),
  }
}

/**
 * vCPUs become a weight (1024 shares each, as Nova's flavors mean it: a fair part under load) and a cap (a guest
 * never has more than it paid for). Memory is a limit without swap on top. 0 means no limit.
 */
export function resourceLimits(
  resources: Partial<ContainerSpec['resources']>,
  hostCpus: number,
): Record<string, number | string> {
  const { vcpus, ramMiB, pids, cpuset } = resources
  const shares = resources.cpuShares ?? (vcpus ? 1024 * vcpus : undefined)
  const memory = ramMiB === undefined || ramMiB === 0 ? undefined : ramMiB * 2 ** 20
  return {
    ...(shares && { CpuShares: Math.round(Math.min(Math.max(shares, 2), 262_144)) }),
    ...(vcpus && { NanoCpus: Math.round(Math.min(Math.max(vcpus, cpusMin), hostCpus) * 1e9) }),
    ...(memory !== undefined && { Memory: memory, MemorySwap: memory }),
    ...(pids && { PidsLimit: pids }),
    ...(cpuset !== undefined && { CpusetCpus: cpuset }),
  }
}

function mount(one: ContainerMount): Record<string, unknown> {
  if (one.type === 'tmpfs')
    return { Type: 'tmpfs', Target: one.target, TmpfsOptions: one.sizeBytes ? { SizeBytes: one.sizeBytes } : undefined }
  if (one.target === gateMountPoint)
    throw badRequest(`Nothing may be mounted on ${gateMountPoint}.`, { field: 'mounts' })
  const bindOptions = one.type === 'bind' && one.propagation ? { BindOptions: propagating(one) } : {}
  return { Type: one.type, Source: one.source, Target: one.target, ReadOnly: one.readOnly ?? false, ...bindOptions }
}

/** What is mounted below it comes with its own rights: newer engines would make that read-only too. */
const propagating = ({ propagation, readOnly }: Extract<ContainerMount, { type: 'bind' }>) =>
  ({ Propagation: propagation, ...(readOnly && { ReadOnlyNonRecursive: true }) })

const exposedPorts = (spec: ContainerSpec) =>
  Object.fromEntries((spec.publishedPorts ?? []).map((port) => [`${port.containerPort}/${port.protocol}`, {}]))

function portBindings(spec: ContainerSpec): Record<string, { HostIp?: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp?: string; HostPort: string }[]> = {}
  for (const { containerPort, protocol, hostIp, hostPort } of spec.publishedPorts ?? []) {
    ;(bindings[`${containerPort}/${protocol}`] ??= []).push({
      HostIp: hostIp,
      HostPort: hostPort === undefined ? '' : String(hostPort),
    })
  }
  return bindings
}

/** Without a domain the engine would take the host's own; a dot is its word for none. */
const search = ({ dnsSearch }: ContainerSpec): string[] | undefined => dnsSearch?.length === 0 ? ['.'] : dnsSearch

const extraHosts = (spec: ContainerSpec) =>
  Object.entries(spec.extraHosts ?? {}).map(([name, address]) => `${name}:${address}`)

function healthCheck({ healthCheck: check }: ContainerSpec): Record<string, unknown> | undefined {
  if (!check) return undefined
  const nanoseconds = (ms: number | undefined) => ms === undefined ? 0 : ms * 1e6
  return {
    Test: check.test,
    Interval: nanoseconds(check.intervalMs),
    Timeout: nanoseconds(check.timeoutMs),
    Retries: check.retries ?? 0,
  }
}
