/** A volume's bytes on their way between hosts: most of a volume is holes, and a link need not carry them. */
import { pipeline, type Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'

/** Holes vanish at any level; more would cost the hosts more time than the link gains. */
const level = 1

const through = (from: Readable, into: ReturnType<typeof createGzip | typeof createGunzip>): Readable => {
  pipeline(from, into, () => undefined) // whoever reads `into` meets what went wrong
  return into
}

export const packed = (raw: Readable): Readable => through(raw, createGzip({ level }))
export const unpacked = (data: Readable): Readable => through(data, createGunzip())
