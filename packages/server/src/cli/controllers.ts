/** `quaystone controllers`: what every loop of a running cloud did and is doing. */
import { Command } from 'commander'
import { defaultDataDir } from '../app/config.ts'
import type { ControllerStatus } from '#platform/controllers/controller.ts'
import { operatorSession } from './operator-session.ts'

export const controllersCommand = (): Command =>
  new Command('controllers')
    .description('show what every loop of the running cloud did and is doing')
    .option('--data-dir <path>', "the cloud's data directory", defaultDataDir(process.env))
    .option('-f, --format <format>', 'table or json', 'table')
    .action(show)

const lineOf = ({ name, passes, stepsDone, stepsFailed, waiting, running }: ControllerStatus): string =>
  [
    name.padEnd(28),
    `passes ${passes}`,
    `done ${stepsDone}`,
    `failed ${stepsFailed}`,
    `waiting ${waiting}`,
    `running ${running}`,
  ].join('  ')

async function show(flags: { dataDir: string; format: string }): Promise<void> {
  const ask = await operatorSession(flags.dataDir)
  const { controllers } = await ask<{ controllers: ControllerStatus[] }>('/admin/controllers')
  if (flags.format === 'json') return void process.stdout.write(`${JSON.stringify(controllers, null, 2)}\n`)
  const lines = controllers.flatMap((one) => [
    lineOf(one),
    `  ${one.about}`,
    ...one.lastErrors.map(({ key, message }) => `  ! ${key}: ${message}`),
  ])
  process.stdout.write(`${lines.join('\n')}\n`)
}
