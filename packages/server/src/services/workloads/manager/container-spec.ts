/** Turns a workload into the container its engine is asked for. Pure. */
import type { PortInfo } from '#services/neutron/facade.ts'
import { labels } from '../ports.ts'
import type { ContainerSpec } from '../ports.ts'
import type { WorkloadRecord } from '../store/workloads.ts'

/** Which generation of the spec a container was made from: an older one is replaced, not reused. */
export const buildLabel = 'org.quaystone.build'
export const imageReference = (imageId: string): string => `quaystone/${imageId}`
export const containerName = ({ ownerService, id }: { ownerService: string; id: string }): string =>
  `${ownerService}-${id}`

export interface Surroundings {
  ports: PortInfo[]
  resolvConf: string | undefined
  /** The container whose network is shared. */
  sharedContainerId: string | undefined
}

export function containerSpecOf(
  record: WorkloadRecord,
  { ports, resolvConf, sharedContainerId }: Surroundings,
): ContainerSpec {
  const { spec, id } = record
  const networkMode =
    sharedContainerId !== undefined ? (`container:${sharedContainerId}` as const) : engineMode(spec.networkMode)
  return {
    workloadId: id,
    name: containerName(record),
    image: imageReference(spec.imageId),
    hostname: spec.hostname,
    command: spec.command,
    entrypoint: spec.entrypoint,
    env: spec.env,
    user: spec.user,
    workingDir: spec.workingDir,
    tty: spec.tty,
    stdinOpen: spec.stdinOpen,
    labels: { ...spec.labels, [labels.image]: spec.imageId, [buildLabel]: String(record.buildGeneration) },
    resources: { vcpus: spec.resources.vcpus, ramMiB: spec.resources.ramMiB, pids: spec.resources.pids },
    mounts: spec.mounts,
    networkMode,
    publishedPorts: spec.publishedPorts,
    ...(resolvConf === undefined ? {} : { dns: nameserversOf(resolvConf), dnsSearch: searchOf(resolvConf) }),
    extraHosts: ownAddress(spec.hostname, ports),
    healthCheck: spec.healthCheck,
    restartPolicy: spec.restartPolicy,
    capAdd: spec.capAdd,
    capDrop: spec.capDrop,
    devices: spec.devices,
    privileged: spec.privileged,
    readOnly: spec.readOnly,
  }
}

/** A tenant's network is filled in by us, so the engine gives an empty one. */
const engineMode = (mode: WorkloadRecord['spec']['networkMode']): ContainerSpec['networkMode'] =>
  mode === 'tenant' ? 'none' : mode

const ownAddress = (hostname: string, ports: PortInfo[]): Record<string, string> => {
  const address = ports[0]?.fixedIps[0]?.ip
  return address === undefined ? {} : { [hostname]: address }
}

export const nameserversOf = (resolvConf: string): string[] =>
  [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1]!)

export const searchOf = (resolvConf: string): string[] =>
  (/^\s*search\s+(.+)$/m.exec(resolvConf)?.[1] ?? '').split(/\s+/).filter((domain) => domain !== '')
