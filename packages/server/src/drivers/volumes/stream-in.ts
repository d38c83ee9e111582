/** Writes a stream into a volume's file: raw bytes as they come, other formats through qemu-img where it is. */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { badRequest, isRefusal, tooLarge } from '#platform/errors/errors.ts'
import type { DiskFormat } from '#services/cinder/ports.ts'
import { unpacked } from './packing.ts'
import { run } from './tools.ts'

/** Zeros of this length become a hole. */
const blockBytes = 64 * 1024
const zeros = Buffer.alloc(blockBytes)
/** Glance's names of formats that are plain bytes of a disk. */
const plain: ReadonlySet<DiskFormat> = new Set(['raw', 'iso', 'ami', 'ari', 'aki'])
const qemuNames: Partial<Record<DiskFormat, string>> = {
  qcow2: 'qcow2',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhd: 'vpc',
  vhdx: 'vhdx',
  ploop: 'parallels',
}

/** Fills `part`; throws `tooLarge` when more than `sizeBytes` come, and `badRequest` for what cannot be read here. */
export async function streamIn(
  part: string,
  data: Readable,
  { sizeBytes, format }: { sizeBytes: number; format: DiskFormat | 'packed' },
): Promise<void> {
  try {
    if (format === 'packed') return await writeSparse(part, unpacked(data), sizeBytes)
    if (plain.has(format)) return await writeSparse(part, data, sizeBytes)
    await assertConverter(format)
    await writeSparse(part, data, Infinity)
    await convert(part, format)
  } finally {
    data.destroy()
  }
}

async function writeSparse(path: string, data: Readable, sizeBytesMax: number): Promise<void> {
  await using file = await open(path, 'r+')
  let at = 0
  for await (const chunk of data) {
    const bytes = Buffer.from(chunk as Uint8Array)
    if (at + bytes.length > sizeBytesMax)
      throw tooLarge(`The image is larger than the volume of ${sizeBytesMax} bytes`, { limit: sizeBytesMax })
    await writeData(file, bytes, at)
    at += bytes.length
  }
  await file.truncate(at)
}

async function writeData(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const block = bytes.subarray(from, from + blockBytes)
    if (!block.equals(zeros.subarray(0, block.length))) await writeAll(file, block, at + from)
  }
}

async function writeAll(file: FileHandle, block: Buffer, at: number): Promise<void> {
  for (let done = 0; done < block.length;) {
    done += (await file.write(block, done, block.length - done, at + done)).bytesWritten
  }
}

async function assertConverter(format: DiskFormat): Promise<void> {
  try {
    await run('qemu-img', '--version')
  } catch (error) {
    if (!isRefusal(error) || error.details.reason !== 'tool-missing') throw error
    throw badRequest(
      `This host cannot read disk_format ${format}: it takes raw and iso. Convert the image to raw, or install ` +
        'qemu-img on the host (Debian: qemu-utils).',
      { field: 'disk_format' },
      error,
    )
  }
}

/** An image may name files of this host as its backing or its data: such a one is refused, never followed. */
async function convert(part: string, format: DiskFormat): Promise<void> {
  const name = qemuNames[format]!
  const facts = await run('qemu-img', 'info', '-f', name, '--output=json', part)
  if (/"(?:full-)?backing-filename"|"data-file"|"extents"\s*:\s*\[[^\]]*"filename"\s*:\s*"\//.test(facts))
    throw badRequest('The image refers to other files, which is not allowed: flatten it first', { field: 'image' })
  const raw = `${part}.raw.part`
  await run('qemu-img', 'convert', '-f', name, '-O', 'raw', '-S', '64k', part, raw)
  await run('mv', '-f', raw, part)
}
