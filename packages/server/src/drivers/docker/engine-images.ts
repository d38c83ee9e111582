/** Images of one engine, whatever stores them. References are the handles: ids differ between stores. */
import type { Readable } from 'node:stream'
import type { Clock } from '#platform/clock/clock.ts'
import { isRefusal, notFound } from '#platform/errors/errors.ts'
import { labels, type EngineImage } from '#services/workloads/ports.ts'
import { driverLabels } from './container-create.ts'
import { eachLimited } from './each-limited.ts'
import type { Command } from './effective-command.ts'
import type { EngineClient } from './engine-client.ts'
import { refusalOfProgress } from './engine-errors.ts'
import { withoutNames } from './image-tar-names.ts'

/** The part of `GET /images/{name}/json` that is read. */
interface ImageDetails {
  Id: string
  RepoTags: string[] | null
  Size: number
  Architecture: string
  Config: { Entrypoint?: string[] | null; Cmd?: string[] | null; Env?: string[] | null } | null
}

interface Progress { stream?: string; status?: string; error?: string }

type InheritedConfig = Command & { env: string[] }

const inspectsAtOnce = 8
const configAgeMsMax = 2_000

export class EngineImages {
  readonly #client: EngineClient
  readonly #clock: Clock
  readonly #configs = new Map<string, { config: InheritedConfig; readAtMs: number }>()

  constructor(client: EngineClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  async inspect(reference: string): Promise<EngineImage | undefined> {
    const details = await this.#details(reference)
    return details && imageOf(details)
  }

  /**
   * What a container inherits from the image. Many creations of one image at once read it once: an engine with
   * containerd's store takes 15 ms for it. Whatever this driver does to images forgets what was read.
   */
  async config(reference: string): Promise<InheritedConfig | undefined> {
    const known = this.#configs.get(reference)
    if (known && this.#clock.now() - known.readAtMs < configAgeMsMax) return known.config
    const readAtMs = this.#clock.now()
    const details = await this.#details(reference)
    if (!details) return undefined
    const config = {
      entrypoint: details.Config?.Entrypoint ?? [],
      command: details.Config?.Cmd ?? [],
      env: details.Config?.Env ?? [],
    }
    this.#configs.set(reference, { config, readAtMs })
    return config
  }

  async #details(reference: string): Promise<ImageDetails | undefined> {
    try {
      return await this.#client.json<ImageDetails>('GET', `/images/${pathOf(reference)}/json`)
    } catch (error) {
      if (isRefusal(error) && error.kind === 'notFound') return undefined
      throw error
    }
  }

  async #get(reference: string): Promise<EngineImage> {
    const image = await this.inspect(reference)
    if (!image) throw notFound(`No such image: ${reference}`, { reason: 'image' })
    return image
  }

  async list(): Promise<EngineImage[]> {
    const found = await this.#client.json<{ Id: string }[]>('GET', '/images/json')
    const images = await eachLimited(found, inspectsAtOnce, ({ Id }) => this.inspect(Id))
    return images.filter((image) => image !== undefined)
  }

  async load(tar: Readable, reference?: string): Promise<EngineImage[]> {
    const progress = await this.#progress('/images/load', { query: { quiet: 1 }, tar: await withoutNames(tar) })
    const ids = progress.flatMap(({ stream }) =>
      [...(stream ?? '').matchAll(/^Loaded image(?: ID)?: (\S+)/gm)].map((match) => match[1]!),
    )
    const images = await Promise.all(ids.map((id) => this.#get(id)))
    if (images.length === 0) throw refusalOfProgress('The tar holds no image (no manifest.json with an image in it).')
    if (reference === undefined) return images
    await this.tag(images[0]!.id, reference)
    return [await this.#get(reference), ...images.slice(1)]
  }

  async import(tar: Readable, reference: string, changes: string[]): Promise<EngineImage> {
    const { name, tag } = splitReference(reference)
    const search = new URLSearchParams([
      ['fromSrc', '-'],
      ['repo', name],
      ['tag', tag],
      ...changes.map((change) => ['changes', change]),
    ] as [string, string][])
    await this.#progress(`/images/create?${search}`, { tar })
    return await this.#get(reference)
  }

  /** Progress is one JSON object a line; a failure may come after a 200. */
  async #progress(path: string, call: Parameters<EngineClient['text']>[2]): Promise<Progress[]> {
    const text = await this.#client.text('POST', path, { ...call, timeoutMs: 0 })
    this.#configs.clear()
    const progress = text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line) as Progress)
    const failed = progress.find(({ error }) => error !== undefined)
    if (failed?.error !== undefined) throw refusalOfProgress(failed.error)
    return progress
  }

  async tag(id: string, reference: string): Promise<void> {
    const { name, tag } = splitReference(reference)
    await this.#client.text('POST', `/images/${pathOf(id)}/tag`, { query: { repo: name, tag } })
    this.#configs.clear()
  }

  async remove(reference: string): Promise<void> {
    this.#configs.clear()
    await this.#client.text('DELETE', `/images/${pathOf(reference)}`).catch((error: unknown) => {
      if (!isRefusal(error) || error.kind !== 'notFound') throw error
    })
  }

  /**
   * The container's labels pass to the image; ours are emptied, or any container made of it would look like ours.
   * The command is the user's, not the gate's; an empty array, unlike null, keeps the engine from merging its own.
   */
  async commit(
    containerId: string,
    { entrypoint, command }: Command,
    options: { reference: string; labels: Record<string, string> },
  ): Promise<EngineImage> {
    const { name, tag } = splitReference(options.reference)
    const ours = [...Object.values(labels), ...Object.values(driverLabels)].map((label) => [label, ''])
    const body = {
      Entrypoint: entrypoint,
      Cmd: command,
      Labels: { ...(Object.fromEntries(ours) as Record<string, string>), ...options.labels },
    }
    await this.#client.text('POST', '/commit', {
      query: { container: containerId, repo: name, tag, pause: 1 },
      json: body,
      timeoutMs: 0,
    })
    this.#configs.clear()
    return await this.#get(options.reference)
  }

  async save(reference: string): Promise<Readable> {
    await this.#get(reference)
    const { body } = await this.#client.open('GET', `/images/${pathOf(reference)}/get`, { timeoutMs: 0 })
    return body
  }
}

const pathOf = (reference: string) => reference.split('/').map(encodeURIComponent).join('/')

/** `host:5000/name:tag` → name and tag; no tag means `latest`. */
export function splitReference(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':')
  if (colon <= reference.lastIndexOf('/')) return { name: reference, tag: 'latest' }
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) }
}

function imageOf({ Id, RepoTags, Size, Architecture, Config }: ImageDetails): EngineImage {
  const entrypoint = Config?.Entrypoint ?? [], command = Config?.Cmd ?? []
  return {
    id: Id,
    tags: RepoTags ?? [],
    sizeBytes: Size,
    hasCommand: entrypoint.length + command.length > 0,
    entrypoint,
    command,
    architecture: Architecture,
  }
}
