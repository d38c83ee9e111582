/** `quaystone controllers`: what every loop of a running cloud did and is doing. */
import { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { defaultDataDir } from '../app/config.ts'
import { StartProblem } from '../app/data-dir.ts'
import type { ControllerStatus } from '#platform/controllers/controller.ts'

export const controllersCommand = (): Command => new Command('controllers')
  .description('show what every loop of the running cloud did and is doing')
  .option('--data-dir <path>', 'the cloud\'s data directory', defaultDataDir(process.env))
  .option('-f, --format <format>', 'table or json', 'table')
  .action(show)

/** A token of the data directory's own administrator. */
const adminToken = async (dataDir: string): Promise<{ url: string; token: string }> => {
  const { auth } = parse(readFileSync(join(dataDir, 'clouds.yaml'), 'utf8')).clouds['quaystone-admin']
  const domain = { id: 'default' }
  const answer = await fetch(`${auth.auth_url}/v3/auth/tokens`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: {
      identity: { methods: ['password'], password: { user: { name: auth.username, password: auth.password, domain } } },
      scope: { project: { name: auth.project_name, domain } },
    } }),
  })
  if (!answer.ok) throw new StartProblem(`The cloud at ${auth.auth_url} refused its own administrator (${answer.status})`)
  return { url: new URL(auth.auth_url).origin, token: String(answer.headers.get('x-subject-token')) }
}

async function show(flags: { dataDir: string; format: string }): Promise<void> {
  const { url, token } = await adminToken(flags.dataDir)
  const answer = await fetch(`${url}/admin/controllers`, { headers: { 'x-auth-token': token } })
  const { controllers } = await answer.json() as { controllers: ControllerStatus[] }
  if (flags.format === 'json') return void process.stdout.write(`${JSON.stringify(controllers, null, 2)}\n`)
  for (const one of controllers) {
    process.stdout.write(`${one.name.padEnd(28)} passes ${one.passes}  done ${one.stepsDone}  failed ${one.stepsFailed}  waiting ${one.waiting}  running ${one.running}\n`)
    process.stdout.write(`  ${one.about}\n`)
    for (const error of one.lastErrors) process.stdout.write(`  ! ${error.key}: ${error.message}\n`)
  }
}
