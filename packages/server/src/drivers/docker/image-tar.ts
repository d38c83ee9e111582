/** Looks through an image tar once, as a stream, before any engine sees it: what it is, and whether it is sane. */
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract } from 'tar-stream'
import { badRequest } from '#platform/errors/errors.ts'
import { explainTarErrors, uncompressed } from './image-tar-names.ts'
import {
  describeDockerArchive,
  describeOciLayout,
  documentBytesMax,
  type ImageDescription,
  type ImageTarIndex,
} from './image-tar-kinds.ts'

export interface ImageTarFacts extends ImageDescription {
  kind: 'docker-archive' | 'oci-layout' | 'rootfs'
  /** ENTRYPOINT or CMD is there; a root file system has neither until it is imported with one. */
  hasCommand: boolean
  /** Sum of all files in the tar, uncompressed. */
  contentBytes: number
  entries: number
}

export interface ImageTarLimits {
  contentBytesMax?: number
  entriesMax?: number
}

type Entry = ReturnType<typeof extract> extends AsyncIterable<infer One> ? One : never

const nameBytesMax = 4096
const documentsBytesMax = 64 * 2 ** 20
const contentBytesMaxDefault = 256 * 2 ** 30
const entriesMaxDefault = 2_000_000

/** Throws `badRequest` with a sentence when the tar is no image or not safe; errors of the source pass unchanged. */
export async function inspectImageTar(tar: Readable, limits: ImageTarLimits = {}): Promise<ImageTarFacts> {
  const explain = explainTarErrors(tar)
  try {
    const seen = new Inspection(limits)
    const entries = extract()
    const plain = await uncompressed(tar)
    plain.once('error', (error) => entries.destroy(error))
    plain.pipe(entries as unknown as NodeJS.WritableStream)
    for await (const entry of entries) await seen.entry(entry)
    return seen.facts()
  } catch (error) {
    throw explain(error)
  } finally {
    tar.destroy()
  }
}

class Inspection {
  readonly #limits: Required<ImageTarLimits>
  readonly #index: ImageTarIndex = { names: new Set(), documents: new Map() }
  #entries = 0
  #contentBytes = 0
  #documentsBytes = 0
  #device: string | undefined
  #runnable = false

  constructor({ contentBytesMax = contentBytesMaxDefault, entriesMax = entriesMaxDefault }: ImageTarLimits) {
    this.#limits = { contentBytesMax, entriesMax }
  }

  async entry(entry: Entry): Promise<void> {
    const { type, size, mode, linkname } = entry.header
    const name = safeName(entry.header.name, 'entry')
    if (type === 'link') safeName(linkname, `hard link ${name} to`)
    this.#count(size)
    if (type === 'block-device' || type === 'character-device') this.#device ??= name
    this.#runnable ||= type === 'file' && (mode & 0o111) !== 0
    if (isOfImage(name)) await this.#remember(entry, name)
    else for await (const _chunk of entry) { /* only its size matters */ }
  }

  #count(size: number): void {
    this.#entries += 1
    this.#contentBytes += size
    const { entriesMax, contentBytesMax } = this.#limits
    if (this.#entries > entriesMax)
      throw badRequest(`The image tar has more than ${entriesMax} entries.`, { reason: 'absurd' })
    if (this.#contentBytes > contentBytesMax)
      throw badRequest(`The image tar holds more than ${contentBytesMax} bytes.`, { reason: 'absurd' })
  }

  async #remember(entry: Entry, name: string): Promise<void> {
    this.#index.names.add(name)
    const { size, type } = entry.header
    if (type !== 'file' || size > documentBytesMax || this.#documentsBytes + size > documentsBytesMax) {
      for await (const _chunk of entry) { /* a layer */ }
      return
    }
    const content = await buffer(entry)
    if (content[0] !== 0x7b && content[0] !== 0x5b) return
    this.#documentsBytes += size
    this.#index.documents.set(name, content)
  }

  facts(): ImageTarFacts {
    const sizes = { contentBytes: this.#contentBytes, entries: this.#entries }
    const { names } = this.#index
    const kind = names.has('manifest.json')
      ? 'docker-archive'
      : names.has('index.json') && names.has('oci-layout')
        ? 'oci-layout'
        : 'rootfs'
    if (kind === 'rootfs') return { kind, ...this.#rootfs(), ...sizes }
    if (this.#device)
      throw badRequest(`The image tar holds a device (${this.#device}), which no saved image does.`, {
        reason: 'device',
      })
    const image = kind === 'docker-archive' ? describeDockerArchive(this.#index) : describeOciLayout(this.#index)
    return { kind, ...image, hasCommand: image.entrypoint.length + image.command.length > 0, ...sizes }
  }

  #rootfs(): ImageDescription & { hasCommand: boolean } {
    if (!this.#runnable) {
      throw badRequest(
        'The tar is no image: no manifest.json (docker save), no OCI layout, no executable (root file system).',
        { reason: 'noImage' },
      )
    }
    return { repoTags: [], entrypoint: [], command: [], architecture: null, os: null, hasCommand: false }
  }
}

/** Top-level files, blobs, and layers of the older `docker save`: everything a root file system keeps elsewhere. */
const isOfImage = (name: string) => !name.includes('/') || name.startsWith('blobs/') || /^[0-9a-f]{64}\//.test(name)

/** Without `./`; refuses names that could leave the folder they are unpacked in. */
function safeName(name: string | undefined, what: string): string {
  const text = name ?? ''
  if (Buffer.byteLength(text) > nameBytesMax)
    throw badRequest(`The image tar has an ${what} with a name of more than ${nameBytesMax} bytes.`, {
      reason: 'absurd',
    })
  if (text.includes('\0'))
    throw badRequest(`The image tar has an ${what} with a NUL in its name.`, { reason: 'absurd' })
  if (text.split('/').includes('..'))
    throw badRequest(`The image tar has an ${what} that leaves its folder: ${text.slice(0, 200)}`, {
      reason: 'traversal',
    })
  return text.replace(/^(\.?\/)+/, '').replace(/\/$/, '')
}
