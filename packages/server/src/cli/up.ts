/** `quaystone up`: everything in one process, from a bare machine to a serving cloud, and a clean end. */
import { Command, InvalidArgumentError } from 'commander'
import { join, resolve } from 'node:path'
import { compose, type Cloud } from '../app/compose.ts'
import { configSchema, defaultDataDir, type Config } from '../app/config.ts'
import { lockDataDir, openDataDir, writeClientFiles, type Identity } from '../app/data-dir.ts'
import { localHost } from '../app/local-host.ts'
import { services } from '../app/services.ts'
import { seedImage } from '../app/seed-image/seed.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { describeConfig } from '#platform/config/config.ts'
import { createLog, type Log, type LogLevel } from '#platform/log/log.ts'
import { ensureDockerEngine, ensureHostTools } from './install/docker-engine.ts'
import { isRootUser } from './install/install-context.ts'
import { readConfig } from './read-config.ts'

interface UpFlags {
  listen?: string
  port?: number
  dataDir: string
  install: boolean
  logLevel?: string
}

const portNumber = (text: string): number => {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new InvalidArgumentError('a port is a number from 0 to 65535')
}

export const upCommand = (): Command =>
  new Command('up')
    .description('start a whole cloud on this machine: all APIs on one port, containers on the local Docker Engine')
    .option('--listen <address>', 'address to listen on (default 127.0.0.1)')
    .option('--port <number>', 'TCP port of all APIs (default 5000)', portNumber)
    .option('--data-dir <path>', 'where the cloud lives', defaultDataDir(process.env))
    .option('--no-install', 'never install or start anything on this machine')
    .option('--log-level <level>', 'debug, info, warn or error')
    .addHelpText(
      'after',
      `\nConfiguration: <data dir>/quaystone.yaml, keys:\n  ${describeConfig(configSchema).join('\n  ')}\n`,
    )
    .action(up)

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

async function up(flags: UpFlags): Promise<void> {
  const dataDir = resolve(flags.dataDir)
  const identity = openDataDir(dataDir)
  const release = lockDataDir(dataDir)
  const config = readConfig(dataDir, { listen: flags.listen, port: flags.port, logLevel: flags.logLevel })
  const log = createLog({ level: config.logLevel as LogLevel })
  try {
    const install = { clock: systemClock, say, allowInstall: flags.install, isRoot: isRootUser() }
    const engine = await ensureDockerEngine(install, {
      dockerHost: config.docker.host ?? process.env.DOCKER_HOST,
      logFile: join(dataDir, 'dockerd.log'),
    })
    await ensureHostTools(install)
    const cloud = await start({ config, dataDir, identity, log, socketPath: engine.socketPath })
    endOnSignals(cloud, release, log)
    await greet({ cloud, config, dataDir, identity })
    await seedImage({ cloud, say, log, clock: systemClock })
  } catch (error) {
    release()
    throw error
  }
}

interface Starting {
  config: Config
  dataDir: string
  identity: Identity
  log: Log
  socketPath: string
}

const start = async ({ config, dataDir, identity, log, socketPath }: Starting): Promise<Cloud> => {
  const host = await localHost({ config, dataDir, cloudId: identity.cloudId, socketPath, log, clock: systemClock })
  const cloud = await compose({
    config,
    dataDir,
    identity,
    log,
    clock: systemClock,
    services,
    hosts: { list: () => [host], find: (name) => (name === host.name ? host : undefined) },
    extras: { keystone: { adminPassword: identity.adminPassword, demoPassword: identity.demoPassword } },
  })
  try {
    await cloud.server.listen({ host: config.listen, port: config.port })
    return cloud
  } catch (error) {
    await cloud.close()
    throw error
  }
}

interface Greeting {
  cloud: Cloud
  config: Config
  dataDir: string
  identity: Identity
}

const greet = async ({ cloud, config, dataDir, identity }: Greeting): Promise<void> => {
  const address = cloud.server.server.address()
  const port = typeof address === 'object' && address ? address.port : config.port
  const shownHost = config.listen === '0.0.0.0' || config.listen === '::' ? '127.0.0.1' : config.listen
  const url = config.publicUrl ?? `http://${shownHost.includes(':') ? `[${shownHost}]` : shownHost}:${port}`
  const files = writeClientFiles(dataDir, identity, url, config.region)
  say(`\nQuaystone serves at ${url} (identity at ${url}/identity; every service is in the catalog)`)
  say(`Clients: ${files.clouds} (clouds quaystone, quaystone-admin), ${files.openrc}`)
  say(`Try:\n  export OS_CLIENT_CONFIG_FILE=${files.clouds} OS_CLOUD=quaystone`)
  say('  openstack server create --image busybox --flavor m1.tiny --network private --wait web')
  say('  openstack server list\nCtrl-C stops the cloud; containers go on, and `up` finds them again.\n')
}

/** One clean end for Ctrl-C and TERM; a second signal does not wait. */
const endOnSignals = (cloud: Cloud, release: () => void, log: Log): void => {
  let ending = false
  const end = async () => {
    if (ending) process.exit(130)
    ending = true
    say('\nstopping: finishing the steps under way (Ctrl-C again to leave at once)')
    try {
      await cloud.close()
    } catch (error) {
      log.error({ err: error }, 'not everything closed cleanly')
    }
    release()
    process.exit(0)
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
}
