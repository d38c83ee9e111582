/** Turns the log's JSON lines into lines for a person at a terminal: time, level, message, fields. */
import { isoSeconds } from '#platform/clock/clock.ts'
import type { DestinationStream } from 'pino'

const colours: Record<string, string> = {
  debug: '\x1b[90m', info: '\x1b[36m', warn: '\x1b[33m', error: '\x1b[31m', fatal: '\x1b[31m',
}
const grey = '\x1b[90m'
const plain = '\x1b[0m'

interface Sink { write(text: string): unknown; isTTY?: boolean }

/** A stream for pino that writes each line readably to `sink`; colours only on a terminal. */
export function readableStream(sink: Sink): DestinationStream {
  const coloured = sink.isTTY === true
  const paint = (colour: string, text: string) => coloured ? `${colour}${text}${plain}` : text
  return { write: (line: string) => { sink.write(readable(line, paint)) } }
}

function readable(line: string, paint: (colour: string, text: string) => string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const clock = typeof time === 'number' ? isoSeconds(time).slice(11, 19) : ''
  const name = String(level).padEnd(5)
  const shownLevel = paint(colours[name.trim()] ?? '', name)
  const head = `${paint(grey, clock)} ${shownLevel} ${msg === undefined ? '' : String(msg)}`
  const tail = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`).join(' ')
  return `${[head, tail === '' ? '' : paint(grey, tail)].filter(Boolean).join('  ')}\n${stackOf(err)}`
}

const shown = (value: unknown): string =>
  typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)

function stackOf(err: unknown): string {
  if (typeof err !== 'object' || err === null) return ''
  const { stack, message } = err as { stack?: string; message?: string }
  const text = stack ?? message
  return text === undefined ? '' : `${text.replaceAll(/^/gm, '      ')}\n`
}
