/** What the bytes of a volume are: nothing yet, a file system that a host may mount, or something of its owner's. */
import { open, stat } from 'node:fs/promises'

export type Content =
  { kind: 'blank' } | { kind: 'filesystem'; type: 'ext4' | 'xfs'; sizeBytes: number } | { kind: 'other' }

/** Both superblocks lie within this. */
const headBytes = 4096
const extAt = 1024
const extMagic = 0xef53
const ext64Bit = 0x80

/** A file that takes nothing of the disk was never written to; its first bytes are looked at all the same. */
export async function contentOf(path: string): Promise<Content> {
  const head = Buffer.alloc(headBytes)
  await using file = await open(path)
  await file.read(head, 0, headBytes, 0)
  const isUntouched = (await stat(path)).blocks === 0 && head.every((byte) => byte === 0)
  return isUntouched ? { kind: 'blank' } : readHead(head)
}

/** ext2, ext3 and ext4 are one family with one driver. */
export function readHead(head: Buffer): Content {
  if (head.readUInt16LE(extAt + 0x38) === extMagic)
    return { kind: 'filesystem', type: 'ext4', sizeBytes: extSize(head) }
  if (head.toString('latin1', 0, 4) === 'XFSB') return { kind: 'filesystem', type: 'xfs', sizeBytes: xfsSize(head) }
  return { kind: 'other' }
}

function extSize(head: Buffer): number {
  const has64 = (head.readUInt32LE(extAt + 0x60) & ext64Bit) !== 0
  const high = has64 ? head.readUInt32LE(extAt + 0x150) : 0
  return (high * 2 ** 32 + head.readUInt32LE(extAt + 0x4)) * (1024 << head.readUInt32LE(extAt + 0x18))
}

const xfsSize = (head: Buffer): number => Number(head.readBigUInt64BE(8)) * head.readUInt32BE(4)
