/** `quaystone hosts`: the hosts of a running cloud, and the tokens by which they join. */
import { Command, InvalidArgumentError } from 'commander'
import { defaultDataDir } from '../app/config.ts'
import { operatorSession } from './operator-session.ts'

interface Flags {
  dataDir: string
  format: string
}
interface HostRow {
  name: string
  address: string
  state: string
  version: string
  seen_at: string
}
interface TokenRow {
  id: string
  host: string | null
  stands: boolean
  created_at: string
  expires_at: string | null
  token?: string
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const command = (name: string, about: string): Command =>
  new Command(name)
    .description(about)
    .option('--data-dir <path>', "the cloud's data directory", defaultDataDir(process.env))
    .option('-f, --format <format>', 'table or json', 'table')

const hoursNumber = (text: string): number => {
  const hours = Number(text)
  if (Number.isInteger(hours) && hours > 0) return hours
  throw new InvalidArgumentError('hours are a whole number above 0')
}

export const hostsCommand = (): Command =>
  new Command('hosts')
    .description('the hosts of the running cloud, and the tokens by which they join')
    .addCommand(command('list', 'show hosts that joined, and whether they are up').action(list))
    .addCommand(
      command('token', 'make a token for `quaystone agent --token-file`; it is printed this once')
        .option('--host <name>', 'only this host may use it')
        .option('--hours <number>', 'it ends after so many hours', hoursNumber)
        .action(token),
    )
    .addCommand(command('tokens', 'list tokens, without their secrets').action(tokens))
    .addCommand(command('revoke', 'revoke a token: what it let in is shut out').argument('<id>').action(revoke))
    .addCommand(
      command('forget', 'let another machine take the name of a host that is gone').argument('<name>').action(forget),
    )

const table = (rows: (string | null)[][]): void => {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '-').length)))
  for (const row of rows)
    say(
      row
        .map((cell, at) => (cell ?? '-').padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
}

async function list({ dataDir, format }: Flags): Promise<void> {
  const ask = await operatorSession(dataDir)
  const { hosts } = await ask<{ hosts: HostRow[] }>('/hosts/v1/hosts')
  if (format === 'json') return say(JSON.stringify(hosts, null, 2))
  const rows = hosts.map(({ name, state, address, version, seen_at }) => [name, state, address, version, seen_at])
  table([['NAME', 'STATE', 'ADDRESS', 'VERSION', 'SEEN'], ...rows])
}

async function token({ dataDir, format, ...draft }: Flags & { host?: string; hours?: number }): Promise<void> {
  const ask = await operatorSession(dataDir)
  const made = await ask<{ token: TokenRow }>('/hosts/v1/tokens', { method: 'POST', body: { token: draft } })
  say(format === 'json' ? JSON.stringify(made.token, null, 2) : made.token.token!)
}

async function tokens({ dataDir, format }: Flags): Promise<void> {
  const ask = await operatorSession(dataDir)
  const { tokens: all } = await ask<{ tokens: TokenRow[] }>('/hosts/v1/tokens')
  if (format === 'json') return say(JSON.stringify(all, null, 2))
  const rows = all.map((one) => [one.id, one.host, one.stands ? 'yes' : 'no', one.created_at, one.expires_at])
  table([['ID', 'HOST', 'STANDS', 'CREATED', 'EXPIRES'], ...rows])
}

async function revoke(id: string, { dataDir }: Flags): Promise<void> {
  const ask = await operatorSession(dataDir)
  await ask(`/hosts/v1/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' })
  say(`token ${id} is revoked`)
}

async function forget(name: string, { dataDir }: Flags): Promise<void> {
  const ask = await operatorSession(dataDir)
  await ask(`/hosts/v1/hosts/${encodeURIComponent(name)}`, { method: 'DELETE' })
  say(`another machine may join as ${name}`)
}
