/** The log: structured lines of JSON, or readable ones on a terminal, with secrets blotted out. */
import { pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'
import { readableStream } from './readable.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface LogMethod {
  (message: string): void
  (fields: object, message?: string): void
}

/** What every module may ask of the log. `child` returns a log whose lines carry the given fields too. */
export interface Log {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  child(fields: Record<string, unknown>): Log
}

export interface LogOptions {
  level?: LogLevel
  /** Readable lines instead of JSON. Default: only when standard output is a terminal. */
  pretty?: boolean
  /** Where lines go; standard output when absent. */
  destination?: DestinationStream
}

const secretNames = [
  'password', 'original_password', 'secret', 'token', 'authorization', 'adminPass', 'admin_pass', 'user_data',
  'private_key', 'privateKey', 'Authorization', '["x-auth-token"]', '["X-Auth-Token"]', '["x-subject-token"]',
  '["X-Subject-Token"]', '["x-service-token"]', '["set-cookie"]', 'cookie',
]

/** Pino's paths do not recurse, so each name is blotted out at the first four levels. */
const secretPaths = ['', '*', '*.*', '*.*.*'].flatMap((prefix) =>
  secretNames.map((name) => prefix === '' ? name : name.startsWith('[') ? `${prefix}${name}` : `${prefix}.${name}`))

export function createLog(options: LogOptions = {}): Log {
  const pretty = options.pretty ?? (options.destination === undefined && process.stdout.isTTY === true)
  const destination = pretty ? readableStream(options.destination ?? process.stdout) : options.destination
  const settings = {
    level: options.level ?? 'info',
    base: undefined,
    redact: { paths: secretPaths, censor: '***' },
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return destination === undefined ? pino(settings) : pino(settings, destination)
}

/** A log that keeps nothing, for tests and for tools that speak for themselves. */
export const silentLog: Log = createLog({ level: 'silent', pretty: false })

/** Fastify wants the pino logger itself; only `platform/http` should ask. */
export const asPino = (log: Log): Logger => log as Logger
