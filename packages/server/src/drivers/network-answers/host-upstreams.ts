/** The resolvers that the machine itself asks, read again when its file may have changed. */
import { readFileSync } from 'node:fs'
import type { Clock } from '#platform/clock/clock.ts'
import type { Upstream } from './upstream.ts'

const rereadMs = 5_000
const dnsPort = 53

export function hostUpstreams(clock: Clock, file = '/etc/resolv.conf'): () => Upstream[] {
  let known: Upstream[] = []
  let readAtMs = -Infinity
  return () => {
    if (clock.now() - readAtMs < rereadMs) return known
    readAtMs = clock.now()
    known = serversIn(file)
    return known
  }
}

const serversIn = (file: string): Upstream[] => {
  try {
    const found = readFileSync(file, 'utf8').matchAll(/^\s*nameserver\s+([0-9a-fA-F.:]+)/gm)
    return [...found].map(([, address]) => ({ address: address!, port: dnsPort }))
  } catch {
    return [] // a machine without the file has nobody to ask, and its containers learn that
  }
}
