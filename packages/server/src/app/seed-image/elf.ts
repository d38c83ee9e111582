/** Looks into executables of this machine: is one static, and which shared libraries does one need? */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const interpreterSegment = 3 // PT_INTERP: present in every dynamically linked executable

/** True for an ELF file of 64 bits that needs no loader. */
export function isStaticExecutable(path: string): boolean {
  const file = readFileSync(path)
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2) return false
  const tableOffset = Number(file.readBigUInt64LE(32))
  const entryBytes = file.readUInt16LE(54)
  const entries = file.readUInt16LE(56)
  const types = Array.from({ length: entries }, (_, index) => file.readUInt32LE(tableOffset + index * entryBytes))
  return !types.includes(interpreterSegment)
}

/** Paths of all libraries that the executable loads, and of the loader itself, as the loader finds them here. */
export function sharedLibrariesOf(path: string): string[] {
  const listing = execFileSync('ldd', [path], { encoding: 'utf8' })
  return [...listing.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1]!).sort()
}
