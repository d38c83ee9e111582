/** The configuration of a data directory: its `quaystone.yaml`, then flags. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { configSchema, defaultDataDir, type Config } from '../app/config.ts'
import { loadConfig, yamlLayer } from '#platform/config/config.ts'

export const readConfig = (dataDir: string, flags: Record<string, unknown> = {}): Config => {
  const file = join(dataDir, 'quaystone.yaml')
  return loadConfig<Config>(configSchema, [
    { source: file, tree: existsSync(file) ? yamlLayer(readFileSync(file, 'utf8'), file) : {} },
    { source: 'flags', tree: flags },
  ])
}

export interface ServingFlags {
  listen?: string
  port?: number
  dataDir: string
  install: boolean
  logLevel?: string
  nats?: string
  database?: string
  address?: string
}

const portNumber = (text: string): number => {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new InvalidArgumentError('a port is a number from 0 to 65535')
}

/** The flags of every command that starts a part of a cloud. */
export const servingOptions = (command: Command): Command =>
  command
    .option('--listen <address>', 'address to listen on (default 127.0.0.1)')
    .option('--port <number>', 'TCP port of all APIs (default 5000)', portNumber)
    .option('--data-dir <path>', 'where the cloud lives', defaultDataDir(process.env))
    .option('--database <url>', 'sqlite:/path or postgresql://… (default: SQLite in the data directory)')
    .option('--nats <url>', 'nats://host:4222: a bus for agents on other hosts (default: none)')
    .option('--address <ip>', "where the cloud's other hosts reach this machine (default: the one towards NATS)")
    .option('--no-install', 'never install or start anything on this machine')
    .option('--log-level <level>', 'debug, info, warn or error')

/** Flags as a layer of the configuration. */
export const flagsOf = ({ listen, port, logLevel, nats, database, address }: ServingFlags) => ({
  listen,
  port,
  logLevel,
  nats,
  database,
  ...(address !== undefined && { docker: { address } }),
})
