/** `quaystone down`: removes all that a stopped cloud has on this machine: containers, links, namespaces, rules. */
import { Command } from 'commander'
import { existsSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { defaultDataDir } from '../app/config.ts'
import { lockDataDir, openDataDir, StartProblem } from '../app/data-dir.ts'
import { forgetCloud, tagOf } from '../app/known-clouds.ts'
import { localHost } from '../app/local-host.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { createLog } from '#platform/log/log.ts'
import { ensureDockerEngine } from './install/docker-engine.ts'
import { isRootUser } from './install/install-context.ts'
import { readConfig } from './read-config.ts'

interface DownFlags {
  dataDir: string
  purge: boolean
}

export const downCommand = (): Command =>
  new Command('down')
    .description("remove a stopped cloud's containers and networks from this machine; its data stays unless --purge")
    .option('--data-dir <path>', "the cloud's data directory", defaultDataDir(process.env))
    .option('--purge', 'remove the data directory too', false)
    .action(down)

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

async function down(flags: DownFlags): Promise<void> {
  const dataDir = resolve(flags.dataDir)
  if (!existsSync(join(dataDir, 'identity.json'))) {
    throw new StartProblem(`No cloud lives in ${dataDir}. Name its directory with --data-dir.`)
  }
  const release = lockDataDir(dataDir)
  try {
    await clear(await hostOf(dataDir))
    if (flags.purge) purge(dataDir)
    else release()
    const kept = `data kept in ${dataDir}; after the next \`up\`, start or rebuild its servers`
    say(flags.purge ? `removed ${dataDir}` : kept)
    process.exit(0) // the host's network keeps shells open for its next task, and there is none
  } catch (error) {
    release()
    throw error
  }
}

const purge = (dataDir: string): void => {
  forgetCloud(tagOf(openDataDir(dataDir)))
  rmSync(dataDir, { recursive: true, force: true })
}

const hostOf = async (dataDir: string) => {
  const { cloudId } = openDataDir(dataDir)
  const config = readConfig(dataDir)
  const install = { clock: systemClock, say, allowInstall: false, isRoot: isRootUser() }
  const { socketPath } = await ensureDockerEngine(install, {
    dockerHost: config.docker.host ?? process.env.DOCKER_HOST,
    logFile: join(dataDir, 'dockerd.log'),
  })
  return localHost({ config, dataDir, cloudId, socketPath, log: createLog({ level: 'warn' }), clock: systemClock })
}

const nothing = { networks: [], ports: [], routers: [], securityGroups: [] }

/** A port that was plugged just now survives one sync by design, so there are two. */
const clear = async ({ runtime, network, volumes }: Awaited<ReturnType<typeof hostOf>>): Promise<void> => {
  const containers = await runtime.list()
  for (const { id } of containers) await runtime.remove(id)
  say(`removed ${containers.length} containers`)
  await volumes.letGo()
  await network.sync(nothing)
  await network.sync(nothing)
  say('removed networks, routers and filters')
}
