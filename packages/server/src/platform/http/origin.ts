/** How the client sees this server: scheme, host and prefix, behind proxies too. */
import type { IncomingMessage } from 'node:http'

const first = (value: string | string[] | undefined): string | undefined =>
  (Array.isArray(value) ? value[0] : value)?.split(',')[0]!.trim() || undefined

/** `http://host:port[/prefix]`, no trailing slash. */
export const hostUrlOf = (message: IncomingMessage, publicUrl?: string): string => {
  if (publicUrl) return publicUrl.replace(/\/+$/, '')
  const { headers } = message
  const scheme = first(headers['x-forwarded-proto']) ?? 'http'
  const host = first(headers['x-forwarded-host']) ?? headers.host ?? 'localhost'
  const prefix = first(headers['x-forwarded-prefix']) ?? ''
  return `${scheme}://${host}${prefix.replace(/\/+$/, '')}`
}

export const addressOf = (message: IncomingMessage): string => message.socket.remoteAddress ?? ''
