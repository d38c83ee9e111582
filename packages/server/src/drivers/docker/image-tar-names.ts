/** Takes the names out of an image tar on its way into an engine: a tenant's tar may not move another image's tag. */
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { buffer } from 'node:stream/consumers'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract, pack, type Pack } from 'tar-stream'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import { documentBytesMax, ociImageFiles, type ImageTarIndex } from './image-tar-kinds.ts'

/** The same tar, uncompressed and nameless. A broken tar breaks the returned stream with a `badRequest`. */
export async function withoutNames(tar: Readable): Promise<Readable> {
  const explain = explainTarErrors(tar)
  const plain = await uncompressed(tar)
  const packed = pack()
  const out = Readable.from(packed)
  rewrite(plain, packed).catch((error: unknown) => {
    out.destroy(explain(error) as Error)
    packed.destroy()
  })
  return out
}

/** What went wrong while reading `tar`: the source's own error, our refusal, or else the tar's form is at fault. */
export function explainTarErrors(tar: Readable): (error: unknown) => unknown {
  let sourceError: unknown
  tar.once('error', (error) => { sourceError = error })
  return (error) => {
    if (sourceError !== undefined || isRefusal(error)) return sourceError ?? error
    return badRequest(
      `The image is no readable tar: ${error instanceof Error ? error.message : String(error)}`,
      { reason: 'noTar' },
      error,
    )
  }
}

async function rewrite(plain: Readable, packed: Pack): Promise<void> {
  const entries = extract()
  const fed = pipeline(plain, entries).catch((error: unknown) => { entries.destroy(error as Error) })
  const index: ImageTarIndex = { names: new Set(), documents: new Map() }
  for await (const entry of entries) await passOn(entry, packed, index)
  await fed
  if (!index.names.has('manifest.json'))
    packed.entry({ name: 'manifest.json' }, JSON.stringify(dockerManifestOf(index)))
  packed.finalize()
}

/** Engines without containerd's image store load no OCI layout; with this manifest it is an archive they know. */
function dockerManifestOf(index: ImageTarIndex): unknown {
  if (!index.names.has('index.json'))
    throw badRequest('The tar is no image: it has neither manifest.json nor index.json.', { reason: 'noImage' })
  return [{ ...ociImageFiles(index), RepoTags: null }]
}

type Entry = ReturnType<typeof extract> extends AsyncIterable<infer One> ? One : never

async function passOn(entry: Entry, packed: Pack, index: ImageTarIndex): Promise<void> {
  const { name: written, type, size } = entry.header
  const name = written.replace(/^(\.\/)+/, '')
  index.names.add(name)
  if (name === 'repositories') { entry.resume(); return }
  if (name === 'manifest.json' || name === 'index.json') return passDescription(entry, name, { packed, index })
  if (type === 'file' && size <= documentBytesMax && name.startsWith('blobs/'))
    return passDocument(entry, name, { packed, index })
  const copy = packed.entry(entry.header)
  for await (const chunk of entry) {
    if (!copy.write(chunk)) await new Promise<void>((resolve) => copy.once('drain', () => resolve()))
  }
  copy.end(undefined)
}

interface Passing { packed: Pack; index: ImageTarIndex }

async function passDescription(entry: Entry, name: string, { packed, index }: Passing): Promise<void> {
  const { size: _size, ...header } = entry.header
  const content = Buffer.from(JSON.stringify(nameless(await readJson(entry, name))))
  index.documents.set(name, content)
  packed.entry(header, content)
}

/** Manifests and configurations are blobs as layers are; they are small and JSON. */
async function passDocument(entry: Entry, name: string, { packed, index }: Passing): Promise<void> {
  const content = await buffer(entry)
  if (content[0] === 0x7b) index.documents.set(name, content)
  packed.entry(entry.header, content)
}

async function readJson(entry: Entry, name: string): Promise<unknown> {
  if (entry.header.size > documentBytesMax)
    throw badRequest(`The image tar's ${name} is larger than ${documentBytesMax} bytes.`)
  try {
    return JSON.parse((await buffer(entry)).toString())
  } catch (error) {
    throw badRequest(`The image tar's ${name} is no JSON.`, {}, error)
  }
}

/** `RepoTags` of a docker archive, the naming annotations of an OCI index. */
function nameless(document: unknown): unknown {
  if (Array.isArray(document)) return document.map((image) => ({ ...image as object, RepoTags: null }))
  const { manifests, ...index } = document as { manifests?: { annotations?: Record<string, string> }[] }
  return {
    ...index,
    manifests: manifests?.map(({ annotations, ...manifest }) => ({
      ...manifest,
      annotations: withoutNaming(annotations),
    })),
  }
}

const naming = new Set(['io.containerd.image.name', 'org.opencontainers.image.ref.name'])
const withoutNaming = (annotations: Record<string, string> | undefined) =>
  annotations && Object.fromEntries(Object.entries(annotations).filter(([name]) => !naming.has(name)))

/** Undoes gzip or zstd, which is seen from the first bytes. */
export async function uncompressed(source: Readable): Promise<Readable> {
  const { first, rest } = await peek(source, 4)
  const decoder = first.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b])) ? createGunzip()
    : first.equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])) ? createZstdDecompress() : new PassThrough()
  void pipeline(rest, decoder).catch((error: unknown) => decoder.destroy(error as Error))
  return decoder
}

async function peek(source: Readable, bytes: number): Promise<{ first: Buffer; rest: Readable }> {
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Buffer | string>
  let head = Buffer.alloc(0)
  while (head.length < bytes) {
    const { value, done } = await iterator.next()
    if (done) break
    head = Buffer.concat([head, Buffer.from(value)])
  }
  const rest = Readable.from((async function* () {
    if (head.length > 0) yield head
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
  })(), { objectMode: false })
  return { first: head.subarray(0, bytes), rest }
}
