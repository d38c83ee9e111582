/** The files of a spec as one tar, for the engine to unpack at `/` before the command runs. */
import type { WorkloadSpec } from '../facade.ts'

const blockBytes = 512
/** ssh ignores keys in a folder that others may write to, so this one is made explicitly. */
const privateFolder = '.ssh'

/** A POSIX ustar archive. The engine makes other missing parent folders itself. */
export function filesTar(files: WorkloadSpec['files'], atMs: number): Buffer {
  const seconds = Math.floor(atMs / 1000)
  const folders = [...new Set(files.map(({ path }) => path.slice(1, path.lastIndexOf('/'))))].filter(
    (folder) => folder.split('/').at(-1) === privateFolder,
  )
  const entries = [
    ...folders.map((folder) => header({ path: `${folder}/`, mode: 0o700, sizeBytes: 0, seconds, type: '5' })),
    ...files.flatMap(({ path, mode, content }) => {
      const data = Buffer.from(content, 'base64')
      return [
        header({ path: path.slice(1), mode, sizeBytes: data.length, seconds, type: '0' }),
        data,
        padding(data.length),
      ]
    }),
  ]
  return Buffer.concat([...entries, Buffer.alloc(2 * blockBytes)])
}

const padding = (sizeBytes: number): Buffer => Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes)

interface Entry {
  path: string
  mode: number
  sizeBytes: number
  seconds: number
  type: '0' | '5'
}

/** Owner and group are root: numbers and names stay zero. Layout: POSIX.1-1988, `ustar`. */
function header({ path, mode, sizeBytes, seconds, type }: Entry): Buffer {
  const block = Buffer.alloc(blockBytes)
  const { prefix, name } = splitPath(path)
  block.write(name, 0, 100)
  block.write(octal(mode & 0o7777, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(sizeBytes, 12), 124)
  block.write(octal(seconds, 12), 136)
  block.write('        ', 148)
  block.write(type, 156)
  block.write('ustar\x0000', 257)
  block.write(prefix, 345, 155)
  block.write(
    octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    ) + ' ',
    148,
  )
  return block
}

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`

/** Names up to 100 bytes; longer paths are cut at a slash, with up to 155 bytes before it. */
function splitPath(path: string): { prefix: string; name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path }
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const prefix = path.slice(0, at),
      name = path.slice(at + 1)
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100 && name !== '') return { prefix, name }
  }
  throw new RangeError(`The path /${path} is too long to be put into a container`)
}
