/** The machine itself as the cloud's one host: its Docker Engine and its network stack. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import { createDockerRuntime } from '#drivers/docker/docker-runtime.ts'
import { createLinuxNet } from '#drivers/linux-net/linux-net.ts'
import type { Host } from '#services/deps.ts'
import type { Config } from './config.ts'
import { noteOwner } from './known-clouds.ts'

export interface LocalHostOptions {
  config: Config
  dataDir: string
  cloudId: string
  socketPath: string
  log: Log
  clock: Clock
}

export const localHost = async (options: LocalHostOptions): Promise<Host> => {
  noteOwner({ cloudId: options.cloudId, dataDir: options.dataDir, pid: process.pid }, options.log)
  return await machineHost(options)
}

const machineHost = async ({
  config,
  dataDir,
  cloudId,
  socketPath,
  log,
  clock,
}: LocalHostOptions): Promise<Host> => ({
  name: config.docker.hostName ?? hostname(),
  address: '127.0.0.1',
  runtime: await createDockerRuntime({
    socketPath,
    cloudId,
    busyboxPath: '/bin/busybox',
    gateDir: join(dataDir, 'gates'),
    log: log.child({ driver: 'docker' }),
    clock,
  }),
  network: createLinuxNet({ cloudId, log: log.child({ driver: 'linux-net' }), clock }),
})
