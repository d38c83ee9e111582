/** The log: structured lines of JSON, or readable ones on a terminal, with secrets blotted out. */
import { pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'
import { blot } from './blot.ts'
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

export function createLog(options: LogOptions = {}): Log {
  const pretty = options.pretty ?? (options.destination === undefined && process.stdout.isTTY === true)
  const destination = pretty ? readableStream(options.destination ?? process.stdout) : options.destination
  const settings = {
    level: options.level ?? 'info',
    base: {},
    formatters: { level: (label: string) => ({ level: label }), log: blot<Record<string, unknown>> },
    serializers: { err: (error: Error) => blot({ ...pino.stdSerializers.err(error) }) },
  }
  return blotChildren(destination === undefined ? pino(settings) : pino(settings, destination))
}

/** Pino writes the fields of a child as they are; children and theirs inherit this method. */
function blotChildren(logger: Logger): Logger {
  const child: (this: Logger, fields: object, options?: object) => object = logger.child
  Object.assign(logger, {
    child(this: Logger, fields: object, options?: object) { return child.call(this, blot(fields), options) },
  })
  return logger
}

/** A log that keeps nothing, for tests and for tools that speak for themselves. */
export const silentLog: Log = createLog({ level: 'silent', pretty: false })

/** Fastify wants the pino logger itself; only `platform/http` should ask. */
export const asPino = (log: Log): Logger => log as Logger
