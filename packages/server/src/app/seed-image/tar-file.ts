/** Packs entries into a tar that is the same, byte for byte, for the same entries. */
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'

export interface TarEntry {
  /** Without a leading slash; directories come before what they hold. */
  readonly name: string
  readonly mode: number
  readonly type: 'file' | 'directory' | 'symlink'
  readonly content?: Buffer
  /** Where a symlink points. */
  readonly target?: string
}

/** Every entry carries this time, so that the same input gives the same image id on every machine and day. */
const epoch = new Date(0)

export async function packTar(entries: readonly TarEntry[]): Promise<Buffer> {
  const tar = pack()
  for (const { name, mode, type, content, target } of entries) {
    tar.entry(
      { name, mode, type, mtime: epoch, uid: 0, gid: 0, ...(target === undefined ? {} : { linkname: target }) },
      content ?? Buffer.alloc(0),
    )
  }
  tar.finalize()
  return buffer(tar)
}
