/** Reads the two formats of a saved image: Docker's archive and the OCI layout. */
import { badRequest } from '#platform/errors/errors.ts'

/** What is remembered of a tar: names of top-level files and blobs, and the small JSON ones in full. */
export interface ImageTarIndex {
  names: Set<string>
  documents: Map<string, Buffer>
}

/** Manifests and configurations are smaller than this. */
export const documentBytesMax = 4 * 2 ** 20

export interface ImageDescription {
  repoTags: string[]
  entrypoint: string[]
  command: string[]
  architecture: string | null
  os: string | null
}

interface DockerManifest { Config?: string; RepoTags?: string[] | null; Layers?: string[] | null }
interface ImageConfig {
  architecture?: string
  os?: string
  config?: { Entrypoint?: string[] | null; Cmd?: string[] | null } | null
}
interface Descriptor {
  digest: string
  mediaType?: string
  platform?: { os?: string; architecture?: string }
  annotations?: Record<string, string>
}
interface OciDocument { manifests?: Descriptor[]; config?: Descriptor; layers?: Descriptor[] }

export function describeDockerArchive(index: ImageTarIndex): ImageDescription {
  const images = documentOf<DockerManifest[]>(index, 'manifest.json')
  const found = Array.isArray(images) ? images.length : 'something else'
  if (found !== 1) {
    throw badRequest(
      `The tar's manifest.json must describe one image, not ${found}: save one image at a time.`,
      { reason: 'manyImages' },
    )
  }
  const { Config, RepoTags, Layers } = images[0]!
  if (typeof Config !== 'string')
    throw badRequest("The tar's manifest.json names no image configuration.", { reason: 'noConfig' })
  for (const layer of Layers ?? []) requireName(index, layer, 'layer')
  return { repoTags: RepoTags ?? [], ...configOf(index, Config) }
}

export function describeOciLayout(index: ImageTarIndex): ImageDescription {
  const descriptor = imageDescriptor(index, documentOf<OciDocument>(index, 'index.json'), 0)
  const { Config } = ociImageFiles(index, descriptor)
  const name =
    descriptor.annotations?.['io.containerd.image.name'] ??
    descriptor.annotations?.['org.opencontainers.image.ref.name']
  return { repoTags: name === undefined ? [] : [name], ...configOf(index, Config) }
}

/** The files of the layout's one image, in the words of Docker's manifest.json. */
export function ociImageFiles(
  index: ImageTarIndex,
  descriptor = imageDescriptor(index, documentOf<OciDocument>(index, 'index.json'), 0),
) {
  const { config, layers = [] } = documentOf<OciDocument>(index, blobName(descriptor))
  if (!config) throw badRequest("The OCI layout's image manifest names no configuration.", { reason: 'noConfig' })
  const Layers = layers.map(blobName)
  for (const layer of Layers) requireName(index, layer, 'layer')
  return { Config: blobName(config), Layers }
}

const indexDepthMax = 3

/** The one image of an index; attestations (platform `unknown`) are not images. Indexes may nest. */
function imageDescriptor(index: ImageTarIndex, { manifests = [] }: OciDocument, depth: number): Descriptor {
  const images = manifests.filter(({ platform }) => platform?.os !== 'unknown')
  const present = images.filter((image) => index.documents.has(blobName(image)))
  const [first] = present
  if (!first || depth > indexDepthMax)
    throw badRequest("The OCI layout's index.json leads to no image that is in the tar.", { reason: 'noImage' })
  if (present.length > 1)
    throw badRequest(`The OCI layout holds ${present.length} images: save one image, for one platform, at a time.`, {
      reason: 'manyImages',
    })
  const document = documentOf<OciDocument>(index, blobName(first))
  if (!document.manifests) return first
  const inner = imageDescriptor(index, document, depth + 1)
  return { ...inner, annotations: { ...inner.annotations, ...first.annotations } }
}

const blobName = ({ digest }: Descriptor) => `blobs/${String(digest).replace(':', '/')}`

function configOf(index: ImageTarIndex, name: string): Omit<ImageDescription, 'repoTags'> {
  const { config, architecture, os } = documentOf<ImageConfig>(index, name)
  return {
    entrypoint: config?.Entrypoint ?? [],
    command: config?.Cmd ?? [],
    architecture: architecture ?? null,
    os: os ?? null,
  }
}

function requireName(index: ImageTarIndex, name: string, what: string): void {
  if (!index.names.has(name))
    throw badRequest(`The image tar lacks its ${what} ${name}: is it cut off?`, { reason: 'incomplete' })
}

function documentOf<T>(index: ImageTarIndex, name: string): T {
  requireName(index, name, 'file')
  try {
    return JSON.parse(index.documents.get(name)?.toString() ?? '') as T
  } catch (error) {
    throw badRequest(`The image tar's ${name} is no JSON.`, { reason: 'noJson' }, error)
  }
}
