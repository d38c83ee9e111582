/** `quaystone up`: everything in one process, from a bare machine to a serving cloud, and a clean end. */
import { Command } from 'commander'
import { resolve } from 'node:path'
import { configSchema } from '../app/config.ts'
import { lockDataDir, openDataDir } from '../app/data-dir.ts'
import { seedImage } from '../app/seed-image/seed.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { describeConfig } from '#platform/config/config.ts'
import { createLog, type LogLevel } from '#platform/log/log.ts'
import { flagsOf, readConfig, servingOptions, type ServingFlags } from './read-config.ts'
import { allRoles, endOnSignals, greet, say, startCloud } from './serving.ts'

export const upCommand = (): Command =>
  servingOptions(
    new Command('up').description(
      'start a whole cloud on this machine: all APIs on one port, containers on the local Docker Engine',
    ),
  )
    .addHelpText(
      'after',
      `\nConfiguration: <data dir>/quaystone.yaml, keys:\n  ${describeConfig(configSchema).join('\n  ')}\n`,
    )
    .action(up)

async function up(flags: ServingFlags): Promise<void> {
  const dataDir = resolve(flags.dataDir)
  const identity = openDataDir(dataDir)
  const release = lockDataDir(dataDir)
  try {
    const config = readConfig(dataDir, flagsOf(flags))
    const log = createLog({ level: config.logLevel as LogLevel })
    const serving = { config, dataDir, identity, log, roles: new Set(allRoles), mayInstall: flags.install }
    const cloud = await startCloud(serving)
    endOnSignals(() => cloud.close().finally(release), log)
    greet(cloud, serving)
    await seedImage({ cloud, say, log, clock: systemClock })
  } catch (error) {
    release()
    throw error
  }
}
