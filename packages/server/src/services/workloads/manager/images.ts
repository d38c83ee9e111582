/** Images on hosts: loaded where first needed, once, however many workloads ask at the same time. */
import { canonicalArchitecture } from '#engines/scheduler/architectures.ts'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import type { Host } from '#services/deps.ts'
import type { EngineImage } from '../ports.ts'
import { imageFetch, imageForget, imageWrite } from '../store/hosts.ts'
import { imageReference } from './container-spec.ts'
import type { Parts } from './parts.ts'

export interface ImageFacts {
  hasCommand: boolean
  architecture: string
}

export class HostImages {
  readonly #parts: Parts
  readonly #loading = new Map<string, Promise<ImageFacts>>()
  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The image is on the host when this resolves. Known ones cost one read and no call to the engine. */
  async ensure(host: Host, imageId: string): Promise<ImageFacts> {
    const row = await imageFetch(this.#parts.db, host.name, imageId)
    if (row) return { hasCommand: row.has_command === 1, architecture: row.architecture }
    const key = `${host.name}/${imageId}`
    const loading = this.#loading.get(key) ?? this.#load(host, imageId).finally(() => this.#loading.delete(key))
    this.#loading.set(key, loading)
    return await loading
  }

  /** The engine does not have it after all: somebody removed it there. */
  forget(host: Host, imageId: string): Promise<void> {
    return imageForget(this.#parts.db, host.name, imageId)
  }

  async #load(host: Host, imageId: string): Promise<ImageFacts> {
    const reference = imageReference(imageId)
    const image = (await host.runtime.imageInspect(reference)) ?? (await this.#bring(host, imageId, reference))
    const facts = { hasCommand: image.hasCommand, architecture: image.architecture }
    await this.#refuseForeign(host, imageId, facts)
    await imageWrite(this.#parts.db, {
      host_name: host.name,
      image_id: imageId,
      reference,
      has_command: facts.hasCommand ? 1 : 0,
      architecture: facts.architecture,
      size_bytes: image.sizeBytes,
      loaded_at: this.#parts.clock.now(),
    })
    return facts
  }

  /** An image as `docker save` or OCI lays it out; what is neither is taken for the tar of a root file system. */
  async #bring(host: Host, imageId: string, reference: string): Promise<EngineImage> {
    const { stream } = await this.#parts.glance.imageData(imageId)
    try {
      const [image] = await host.runtime.imageLoad(stream, reference)
      if (image) return image
    } catch (error) {
      if (!isRefusal(error) || (error.kind !== 'badRequest' && error.kind !== 'internal')) throw error
      return await this.#importRoot(host, { imageId, reference, loadRefusal: error })
    } finally {
      stream.destroy()
    }
    throw badRequest(
      `Image ${imageId} holds no container image: ` +
        "upload the output of 'docker save', an OCI layout or the tar of a root file system",
    )
  }

  async #importRoot(
    host: Host,
    { imageId, reference, loadRefusal }: { imageId: string; reference: string; loadRefusal: Error },
  ): Promise<EngineImage> {
    const { stream } = await this.#parts.glance.imageData(imageId)
    try {
      return await host.runtime.imageImport(stream, reference, [])
    } catch (error) {
      if (!isRefusal(error) || (error.kind !== 'badRequest' && error.kind !== 'internal')) throw error
      throw badRequest(
        `Image ${imageId} is neither the output of 'docker save' or an OCI layout (${loadRefusal.message}) ` +
          `nor the tar of a root file system (${error.message})`,
        { reason: 'image' },
        error,
      )
    } finally {
      stream.destroy()
    }
  }

  async #refuseForeign(host: Host, imageId: string, { architecture }: ImageFacts): Promise<void> {
    const engine = await host.runtime.info()
    if (architecture === '' || canonicalArchitecture(architecture) === canonicalArchitecture(engine.architecture))
      return
    throw badRequest(
      `Image ${imageId} is for ${architecture}, but host ${host.name} runs ${engine.architecture}: ` +
        `set the image's property hw_architecture so that it is placed on a fitting host`,
      { reason: 'architecture' },
    )
  }
}
