/** `quaystone serve`: some roles of a cloud in one process, beside other processes and agents. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { resolve } from 'node:path'
import { StartProblem, lockDataDir, openDataDir } from '../app/data-dir.ts'
import { seedImage } from '../app/seed-image/seed.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { createLog, type LogLevel } from '#platform/log/log.ts'
import { flagsOf, readConfig, servingOptions, type ServingFlags } from './read-config.ts'
import { allRoles, endOnSignals, greet, say, startCloud, type Role } from './serving.ts'

interface ServeFlags extends ServingFlags {
  roles: ReadonlySet<Role>
}

const readRoles = (text: string): ReadonlySet<Role> => {
  const names = text.split(',').map((name) => name.trim())
  const strange = names.find((name) => !allRoles.includes(name as Role))
  if (strange !== undefined) throw new InvalidArgumentError(`roles are ${allRoles.join(', ')}; "${strange}" is none`)
  return new Set(names as Role[])
}

const rolesOption = new Option('--roles <names>', 'some of api, controllers, agent, with commas between')
  .argParser(readRoles)
  .default(new Set<Role>(['api', 'controllers']), 'api,controllers')

export const serveCommand = (): Command =>
  servingOptions(
    new Command('serve')
      .description('serve some roles of a cloud: APIs, loops; hosts join by `quaystone agent`')
      .addOption(rolesOption),
  ).action(serve)

async function serve(flags: ServeFlags): Promise<void> {
  const dataDir = resolve(flags.dataDir)
  const config = readConfig(dataDir, flagsOf(flags))
  if (config.nats === undefined && !flags.roles.has('agent'))
    throw new StartProblem('Without --nats no host can join, and without the role "agent" there is none here.')
  const identity = openDataDir(dataDir)
  const release = lockDataDir(dataDir)
  try {
    const log = createLog({ level: config.logLevel as LogLevel })
    const serving = { config, dataDir, identity, log, roles: flags.roles, mayInstall: flags.install }
    const cloud = await startCloud(serving)
    endOnSignals(() => cloud.close().finally(release), log)
    if (flags.roles.has('api')) {
      greet(cloud, serving)
      await seedImage({ cloud, say, log, clock: systemClock })
    } else say(`serving ${[...flags.roles].join(' and ')}; Ctrl-C ends this process`)
  } catch (error) {
    release()
    throw error
  }
}
