/** Gives a blank volume a file system, and lets one fill a volume that has grown. */
import { readFileSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { badRequest } from '#platform/errors/errors.ts'
import type { Content } from './content.ts'
import { run, succeeds } from './tools.ts'

/** Below it ext4 has no room for a journal. */
const formatBytesMin = 8 * 2 ** 20

type FileSystem = Extract<Content, { kind: 'filesystem' }>

/**
 * What volumes are made of comes from their users, so the host believes it as little as it can: no devices, no set-uid
 * programs, and a damaged one turns read-only whatever it says of itself.
 */
const options: Readonly<Record<FileSystem['type'], string>> = {
  ext4: 'nodev,nosuid,errors=remount-ro',
  // Clones have their origin's identity.
  xfs: 'nodev,nosuid,nouuid',
}

export async function format(file: string, sizeBytes: number): Promise<void> {
  if (sizeBytes < formatBytesMin)
    throw badRequest(`A volume of ${sizeBytes} bytes is too small for a file system`, { limit: formatBytesMin })
  await run('mkfs.ext4', '-q', '-F', '-m', '0', '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard', file)
}

export function assertMountable({ type }: FileSystem): void {
  if (new RegExp(`\\b${type}$`, 'm').test(readFileSync('/proc/filesystems', 'utf8'))) return
  throw badRequest(
    `This host's kernel cannot mount ${type}: attach the volume with the metadata docker:mount=no as a raw device`,
  )
}

/** While it is not mounted. A file system that is damaged is told, not repaired beyond what is safe. */
export async function growOffline(
  { type, sizeBytes }: FileSystem,
  device: string,
  deviceBytes: number,
): Promise<void> {
  // A rest smaller than a block group cannot be used.
  if (type !== 'ext4' || deviceBytes - sizeBytes < formatBytesMin) return
  await succeeds('e2fsck', '-f', '-p', device)
  await run('resize2fs', device)
}

/** While it is mounted; false where the kernel does not let us: it then grows when it is next plugged in. */
export const growOnline = (type: FileSystem['type'], device: string, point: string): Promise<boolean> =>
  type === 'ext4' ? succeeds('resize2fs', device) : succeeds('xfs_growfs', point)

export interface MountWish {
  type: FileSystem['type']
  device: string
  point: string
  readOnly: boolean
}

export async function mountVolume({ type, device, point, readOnly }: MountWish): Promise<void> {
  await run('mount', '-t', type, '-o', `${options[type]}${readOnly ? ',ro' : ''}`, device, point)
}

/** An empty one is what programs expect of a fresh disk; the checker makes it anew when it needs it. */
export const dropLostAndFound = (point: string): Promise<void> =>
  rmdir(join(point, 'lost+found')).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY') throw error
  })
