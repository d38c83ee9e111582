/** The image store of the fake engine: references point at images, tars are really read. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { EngineImage } from '#services/workloads/ports.ts'
import { withoutNames } from '../docker/image-tar-names.ts'

export async function readTar(tar: Readable): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const entries = extract()
  tar.once('error', (error) => entries.destroy(error))
  tar.pipe(entries)
  for await (const entry of entries) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    files.set(entry.header.name.replace(/^\.?\//, ''), Buffer.concat(chunks))
  }
  return files
}

export function tarOf(files: { name: string; content: string | Buffer }[]): Readable {
  const tar = pack()
  for (const { name, content } of files) tar.entry({ name }, content)
  tar.finalize()
  return Readable.from(tar)
}

const digest = (...parts: (string | Buffer)[]) =>
  'sha256:' + parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex')

const withLatest = (reference: string) =>
  /:[^/]+$/.test(reference) || reference.startsWith('sha256:') ? reference : `${reference}:latest`

interface DockerManifest { Config: string }
interface DockerConfig { architecture?: string; config?: { Entrypoint?: string[] | null; Cmd?: string[] | null } }

export class FakeImages {
  #byId = new Map<string, Omit<EngineImage, 'tags'>>()
  #idByReference = new Map<string, string>()

  /** Adds an image under a reference; without a command it is one that cannot be run as it is. */
  add(reference: string, facts: { entrypoint?: string[]; command?: string[]; sizeBytes?: number } = {}): EngineImage {
    const { entrypoint = [], command = [], sizeBytes = 1024 } = facts
    const id = digest(reference, JSON.stringify(facts))
    return this.#put(
      { id, entrypoint, command, sizeBytes, architecture: 'amd64', hasCommand: entrypoint.length + command.length > 0 },
      reference,
    )
  }

  #put(image: Omit<EngineImage, 'tags'>, reference?: string): EngineImage {
    this.#byId.set(image.id, image)
    if (reference) this.#idByReference.set(withLatest(reference), image.id)
    return this.find(image.id)!
  }

  find(reference: string): EngineImage | undefined {
    const id = this.#idByReference.get(withLatest(reference)) ?? reference
    const image = this.#byId.get(id)
    return image && { ...image, tags: this.#tagsOf(id) }
  }

  get(reference: string): EngineImage {
    const image = this.find(reference)
    if (!image) throw notFound(`No such image: ${reference}`, { reason: 'image' })
    return image
  }

  list(): EngineImage[] {
    return [...this.#byId.keys()].map((id) => this.get(id))
  }
  tag(id: string, reference: string): void {
    this.#idByReference.set(withLatest(reference), this.get(id).id)
  }
  #tagsOf(id: string): string[] {
    return [...this.#idByReference].filter(([, target]) => target === id).map(([name]) => name)
  }

  remove(reference: string): void {
    const id = this.find(reference)?.id
    if (!id) return
    this.#idByReference.delete(withLatest(reference))
    if (id === reference) for (const tag of this.#tagsOf(id)) this.#idByReference.delete(tag)
    if (this.#tagsOf(id).length === 0) this.#byId.delete(id)
  }

  async load(tar: Readable, reference?: string): Promise<EngineImage[]> {
    const files = await readTar(await withoutNames(tar))
    return (JSON.parse(files.get('manifest.json')!.toString()) as DockerManifest[]).map(({ Config }) => {
      const raw = files.get(Config)
      if (!raw) throw badRequest(`The tar is no image: it lacks ${Config}.`)
      const { config = {}, architecture = 'amd64' } = JSON.parse(raw.toString()) as DockerConfig
      const entrypoint = config.Entrypoint ?? [],
        command = config.Cmd ?? []
      return this.#put(
        {
          id: digest(raw),
          entrypoint,
          command,
          architecture,
          sizeBytes: raw.length,
          hasCommand: entrypoint.length + command.length > 0,
        },
        reference,
      )
    })
  }

  async import(tar: Readable, reference: string, changes: string[]): Promise<EngineImage> {
    const files = await readTar(tar)
    const option = (name: string): string[] => {
      const text = changes.find((change) => change.startsWith(`${name} `))?.slice(name.length + 1)
      return text === undefined ? [] : text.startsWith('[') ? (JSON.parse(text) as string[]) : ['/bin/sh', '-c', text]
    }
    const sizeBytes = [...files.values()].reduce((sum, file) => sum + file.length, 0)
    return this.add(reference, { entrypoint: option('ENTRYPOINT'), command: option('CMD'), sizeBytes })
  }

  /** The files of a `docker save` tar. */
  save(reference: string): { name: string; content: string }[] {
    const image = this.get(reference)
    const config = JSON.stringify({
      architecture: image.architecture,
      os: 'linux',
      config: { Entrypoint: image.entrypoint, Cmd: image.command },
    })
    const name = `${image.id.slice(7)}.json`
    return [
      { name, content: config },
      {
        name: 'manifest.json',
        content: JSON.stringify([{ Config: name, RepoTags: [withLatest(reference)], Layers: [] }]),
      },
    ]
  }
}
