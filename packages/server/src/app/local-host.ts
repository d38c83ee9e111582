/** The machine itself as a host of the cloud: its Docker Engine and its network stack. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import { createDockerRuntime } from '#drivers/docker/docker-runtime.ts'
import { createLinuxNet } from '#drivers/linux-net/linux-net.ts'
import { withAnswers } from '#drivers/network-answers/with-answers.ts'
import { HostVolumes } from '#drivers/volumes/host-volumes.ts'
import type { Host } from '#services/deps.ts'
import type { AskMetadata } from '#services/metadata/ports.ts'
import type { HostNetwork } from '#services/neutron/ports.ts'
import type { ContainerRuntime } from '#services/workloads/ports.ts'
import type { Config } from './config.ts'
import { noteOwner, tagOf } from './known-clouds.ts'

export interface MachineOptions {
  /** Where the other hosts reach this one; absent in a cloud of one host. */
  address?: string
  gateDir: string
  socketPath: string
  /** The directory of whoever uses this machine: noted on the machine beside the mark of its things. */
  dataDir: string
  /** Answers what containers ask of the metadata service. Absent: names and metadata are not served. */
  metadata?: AskMetadata
  log: Log
  clock: Clock
}

/** The drivers of this machine, for one cloud. */
export const machineOf = ({ address, gateDir, socketPath, dataDir, metadata, log, clock }: MachineOptions) => ({
  runtimeOf: (cloudId: string): ContainerRuntime =>
    createDockerRuntime({
      socketPath,
      cloudId,
      busyboxPath: '/bin/busybox',
      gateDir,
      log: log.child({ driver: 'docker' }),
      clock,
    }),
  networkOf: (cloudId: string): HostNetwork => {
    noteOwner({ cloudId, dataDir, pid: process.pid }, log)
    const network = createLinuxNet({
      cloudId,
      log: log.child({ driver: 'linux-net' }),
      clock,
      ...(address !== undefined && { underlay: { address } }),
    })
    return metadata ? withAnswers(network, { metadata, clock, log: log.child({ driver: 'answers' }) }) : network
  },
  volumesOf: (cloudId: string): HostVolumes => {
    const folder = join(dataDir, 'volumes', `quaystone-${tagOf({ cloudId })}`)
    const volumes = new HostVolumes({ folder, clock, log: log.child({ driver: 'volumes' }) })
    void volumes.restore().catch((error: unknown) => log.error({ err: error }, 'Volumes could not be put back'))
    return volumes
  },
})

export interface LocalHostOptions {
  config: Config
  dataDir: string
  cloudId: string
  socketPath: string
  metadata?: AskMetadata
  log: Log
  clock: Clock
}

export const localHost = async ({
  config,
  dataDir,
  cloudId,
  ...rest
}: LocalHostOptions): Promise<Host & { volumes: HostVolumes }> => {
  const address = config.docker.address ?? (config.nats && (await addressTowards(config.nats)))
  const machine = machineOf({ ...rest, dataDir, gateDir: join(dataDir, 'gates'), ...(address && { address }) })
  return {
    name: config.docker.hostName ?? hostname(),
    address: address ?? '127.0.0.1',
    runtime: machine.runtimeOf(cloudId),
    network: machine.networkOf(cloudId),
    volumes: machine.volumesOf(cloudId),
  }
}

/** This machine's address on the way to a NATS server: no packet is sent. Undefined when it is only its own. */
export const addressTowards = async (natsUrl: string): Promise<string | undefined> => {
  const { hostname: host, port } = new URL(natsUrl.split(',')[0]!)
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.connect(Number(port) || 4222, host.replace(/^\[|\]$/g, ''))
    await once(socket, 'connect')
    const { address } = socket.address()
    return /^127\.|^::1$/.test(address) ? undefined : address
  } catch {
    return undefined // an unknown name or no way to it: whoever needs the address says so
  } finally {
    socket.close()
  }
}
