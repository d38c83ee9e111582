/** What Glance needs from the world: a place for bytes, an eye for container images, ways to fetch from elsewhere. */
import type { Readable } from 'node:stream'

export interface StoredBlob {
  sizeBytes: number
  md5: string
  sha512: string
}

/** Named byte strings. A write is all or nothing: a reader never sees half of one. */
export interface BlobStore {
  write(key: string, data: Readable): Promise<StoredBlob>
  /** Throws `notFound`. `range` in bytes, both ends included. */
  read(key: string, range?: { start: number; end: number }): Promise<Readable>
  has(key: string): Promise<boolean>
  rename(from: string, to: string): Promise<void>
  /** Idempotent. */
  remove(key: string): Promise<void>
  list(): Promise<{ key: string; modifiedAt: number }[]>
}

/** What a tar that claims to be a container image turns out to be. */
export interface InspectedImage {
  kind: 'docker-archive' | 'oci-layout' | 'rootfs'
  hasCommand: boolean
  architecture: string | null
}

export interface ImageInspector {
  /** Throws `badRequest` with a sentence when the tar is none of the kinds, or unsafe. */
  inspect(tar: Readable): Promise<InspectedImage>
}

/** Fetches an image's bytes from a URL or a registry reference. Throws `badRequest` with the remote's own words. */
export interface ImageSource {
  fetch(from: string, signal: AbortSignal): Promise<Readable>
}

export interface GlancePorts {
  blobs: BlobStore
  inspector: ImageInspector
  sources: Record<'web-download' | 'docker-registry', ImageSource>
}
