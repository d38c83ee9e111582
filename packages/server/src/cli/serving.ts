/** What `up` and `serve` have in common: a cloud from a data directory, its greeting, and a clean end. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { unavailable } from '#platform/errors/errors.ts'
import { compose, type Cloud } from '../app/compose.ts'
import type { Config } from '../app/config.ts'
import { writeClientFiles, type Identity } from '../app/data-dir.ts'
import { localHost, type LocalHostOptions } from '../app/local-host.ts'
import { services } from '../app/services.ts'
import { systemClock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import { ensureDockerEngine, ensureHostTools } from './install/docker-engine.ts'
import { isRootUser } from './install/install-context.ts'

/** `api` answers requests, `controllers` runs the loops, `agent` makes this machine a host of the cloud. */
export const allRoles = ['api', 'controllers', 'agent'] as const
export type Role = (typeof allRoles)[number]

export interface Serving {
  config: Config
  dataDir: string
  identity: Identity
  log: Log
  roles: ReadonlySet<Role>
  /** May this machine be changed: packages installed, an engine started? */
  mayInstall: boolean
}

export const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

export const startCloud = async (serving: Serving): Promise<Cloud> => {
  const { config, dataDir, identity, log, roles } = serving
  const later: { cloud?: Cloud } = {}
  const own = roles.has('agent') ? [await ownHost(serving, later)] : []
  const cloud = await compose({
    config,
    dataDir,
    identity,
    log,
    clock: systemClock,
    services,
    hosts: { list: () => own, find: (name) => own.find((host) => host.name === name) },
    ...(config.nats && { agents: { caller: `${hostname()}:${dataDir}` } }),
    runsControllers: roles.has('controllers'),
    extras: { keystone: { adminPassword: identity.adminPassword, demoPassword: identity.demoPassword } },
  })
  later.cloud = cloud
  try {
    if (roles.has('api')) await cloud.server.listen({ host: config.listen, port: config.port })
    return cloud
  } catch (error) {
    await cloud.close()
    throw error
  }
}

/** The host is built before the cloud that answers its containers. */
const ownHost = async ({ config, dataDir, identity, log, mayInstall }: Serving, later: { cloud?: Cloud }) => {
  const install = { clock: systemClock, say, allowInstall: mayInstall, isRoot: isRootUser() }
  const { socketPath } = await ensureDockerEngine(install, {
    dockerHost: config.docker.host ?? process.env.DOCKER_HOST,
    logFile: join(dataDir, 'dockerd.log'),
  })
  await ensureHostTools(install)
  const { cloudId } = identity
  const metadata: LocalHostOptions['metadata'] = async (ask) => {
    if (later.cloud === undefined) throw unavailable('The cloud is not serving yet')
    return await later.cloud.facades.metadata.answer(ask)
  }
  return await localHost({ config, dataDir, cloudId, socketPath, metadata, log, clock: systemClock })
}

/** Writes the clients' files and says where everything is. */
export const greet = (cloud: Cloud, { config, dataDir, identity }: Serving): void => {
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
export const endOnSignals = (close: () => Promise<void>, log: Log): void => {
  let ending = false
  const end = async () => {
    if (ending) process.exit(130)
    ending = true
    say('\nstopping: finishing the steps under way (Ctrl-C again to leave at once)')
    try {
      await close()
    } catch (error) {
      log.error({ err: error }, 'not everything closed cleanly')
    }
    process.exit(0)
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
}
