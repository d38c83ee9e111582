/** The container engine port on a real Docker Engine (API 1.40 to 1.56). */
import { statfs } from 'node:fs/promises'
import { systemClock, type Clock } from '#platform/clock/clock.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import type { ContainerRuntime, EngineInfo } from '#services/workloads/ports.ts'
import { EngineClient, type EngineAddress } from './engine-client.ts'
import { EngineContainers } from './engine-containers.ts'
import { EngineEvents } from './engine-events.ts'
import { EngineImages } from './engine-images.ts'
import { EngineStreams } from './engine-streams.ts'
import { Gates } from './gate.ts'

export interface DockerRuntimeOptions extends EngineAddress {
  /** Only containers labelled with this id are seen. */
  cloudId: string
  /** A static busybox (Debian: `busybox-static`), for the network gate. */
  busyboxPath?: string
  /** Must outlive reboots, since the engine mounts from it; world-readable, one file system. */
  gateDir: string
  clock?: Clock
  log: Log
}

export interface DockerRuntime extends ContainerRuntime { close(): Promise<void> }

/** The part of `GET /info` that is read. */
interface EngineFacts {
  Name: string; ServerVersion: string; NCPU: number; MemTotal: number; Architecture: string; KernelVersion: string
  ContainersRunning: number; DockerRootDir: string; DriverStatus: [string, string][] | null
}

export function createDockerRuntime(options: DockerRuntimeOptions): DockerRuntime {
  const { cloudId, busyboxPath = '/bin/busybox', gateDir, clock = systemClock, log } = options
  const client = new EngineClient(options)
  const images = new EngineImages(client, clock)
  const gates = new Gates({ busyboxPath, gateDir, clock })
  const containers = new EngineContainers({ client, images, gates, cloudId, clock, log })
  const streams = new EngineStreams(client, containers, clock)
  const events = new EngineEvents(client, { cloudId, clock, log })
  return {
    info: (signal) => readInfo(client, signal),
    ping: () => answers(client),
    create: (spec) => containers.create(spec),
    start: (id, beforeCommand) => containers.start(id, beforeCommand),
    openGate: (id, beforeCommand) => containers.openGate(id, beforeCommand),
    gateWaiting: (id) => containers.gateWaiting(id),
    stop: (id, graceSeconds) => containers.stop(id, graceSeconds),
    kill: (id, signal) => containers.kill(id, signal),
    pause: (id) => containers.pause(id),
    unpause: (id) => containers.unpause(id),
    rename: (id, name) => containers.rename(id, name),
    update: (id, resources) => containers.update(id, resources),
    remove: (id) => containers.remove(id),
    inspect: (id) => containers.inspect(id),
    list: () => containers.list(),
    stats: (id) => streams.stats(id),
    logs: (id, wanted) => streams.logs(id, wanted),
    followLogs: (id, signal) => streams.followLogs(id, signal),
    exec: (id, command, execOptions) => streams.exec(id, command, execOptions),
    attachTerminal: (id, command, size) => streams.attachTerminal(id, command, size),
    putArchive: (id, path, tar) => streams.putArchive(id, path, tar),
    getArchive: (id, path) => streams.getArchive(id, path),
    imageInspect: (reference) => images.inspect(reference),
    imageLoad: (tar, reference) => images.load(tar, reference),
    imageImport: (tar, reference, changes) => images.import(tar, reference, changes),
    imageTag: (id, reference) => images.tag(id, reference),
    imageList: () => images.list(),
    imageRemove: (reference) => images.remove(reference),
    imageSave: (reference) => images.save(reference),
    commit: async (id, reference, labels) =>
      images.commit((await containers.own(id)).id, await containers.userCommand(id), { reference, labels }),
    watch: async (listener, signal) => {
      const sweep = () => {
        void containers
          .sweepGates()
          .catch((error: unknown) => log.warn({ err: error }, 'Left-over gates could not be swept'))
      }
      await events.watch((event) => {
        if (event.action === 'resync') sweep()
        listener(event)
      }, signal)
    },
    close: () => client.close(),
  }
}

async function answers(client: EngineClient): Promise<boolean> {
  try {
    await client.text('GET', '/_ping', { timeoutMs: 5_000 })
    return true
  } catch (error) {
    if (isRefusal(error)) return false
    throw error
  }
}

async function readInfo(client: EngineClient, signal?: AbortSignal): Promise<EngineInfo> {
  const [facts, apiVersion] = await Promise.all([
    client.json<EngineFacts>('GET', '/info', { signal }),
    client.version(),
  ])
  const containerd =
    facts.DriverStatus?.some(([name, value]) => name === 'driver-type' && value.startsWith('io.containerd.')) ?? false
  return {
    name: facts.Name,
    apiVersion,
    engineVersion: facts.ServerVersion,
    storeKind: containerd ? 'containerd' : 'graphdriver',
    vcpus: facts.NCPU,
    ramMiB: Math.floor(facts.MemTotal / 2 ** 20),
    ...(await diskOf(facts.DockerRootDir)),
    architecture: facts.Architecture,
    kernel: facts.KernelVersion,
    runningContainers: facts.ContainersRunning,
  }
}

/** The agent runs on the engine's host, so the engine's directory is here; elsewhere its size is unknown (0). */
async function diskOf(directory: string): Promise<{ diskGiB: number; diskFreeGiB: number }> {
  const disk = await statfs(directory).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'ENOENT') throw error
    return { bsize: 0, blocks: 0, bavail: 0 }
  })
  const gibibytes = (blocks: number) => Math.floor((blocks * disk.bsize) / 2 ** 30)
  return { diskGiB: gibibytes(disk.blocks), diskFreeGiB: gibibytes(disk.bavail) }
}
