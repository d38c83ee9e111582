/** Builds the image that boots without any registry, in the format of `docker save`, from programs of this machine. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { unavailable } from '#platform/errors/errors.ts'
import { isStaticExecutable } from './elf.ts'
import { rootFiles, type ImagePrograms } from './root-files.ts'
import { packTar, type TarEntry } from './tar-file.ts'

export interface SeedImage {
  /** Loads with `docker load`, uploads with `container_format=docker`. The same bytes for the same programs. */
  readonly tar: Buffer
  /** The name under which `docker load` tags it. */
  readonly tag: string
  readonly hasSsh: boolean
}

const tag = 'quaystone/busybox:latest'
const busyboxPlaces = ['/bin/busybox', '/usr/bin/busybox']
const dropbearPlaces = ['/usr/sbin/dropbear']
const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' }

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Finds the programs on this machine; refuses with the remedy when there is no static BusyBox. */
export function findImagePrograms(): ImagePrograms {
  const busybox = busyboxPlaces.find((path) => existsSync(path) && isStaticExecutable(path))
  if (busybox === undefined) {
    throw unavailable(
      'The built-in image needs a static BusyBox and none was found; run: apt-get install busybox-static',
    )
  }
  return { busybox, dropbear: dropbearPlaces.find((path) => existsSync(path)) }
}

/** What Docker needs to know to run the layer; the digest of this text is the image's id. */
function imageConfig(layer: Buffer, hasSsh: boolean): Buffer {
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  const config = {
    Env: hasSsh ? [path, 'DROPBEAR=yes'] : [path],
    Cmd: ['/sbin/boot'],
    WorkingDir: '/root',
    StopSignal: 'SIGTERM',
    ExposedPorts: { '80/tcp': {}, ...(hasSsh ? { '22/tcp': {} } : {}) },
    Labels: { 'org.quaystone.about': 'boots without a registry: sh, httpd on 80, ssh on 22' },
  }
  return Buffer.from(
    JSON.stringify({
      architecture: architectures[process.arch] ?? process.arch,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: 'quaystone' }],
    }),
  )
}

export async function buildSeedImage(programs: ImagePrograms): Promise<SeedImage> {
  const files = rootFiles(programs)
  const hasSsh = files.some((entry) => entry.name === 'usr/sbin/dropbear')
  const layer = await packTar(files)
  const config = imageConfig(layer, hasSsh)
  const [layerName, configName] = [`${sha256(layer)}/layer.tar`, `${sha256(config)}.json`]
  const manifest = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: [tag], Layers: [layerName] }]))
  const entries: TarEntry[] = [
    { name: configName, mode: 0o644, type: 'file', content: config },
    { name: `${sha256(layer)}`, mode: 0o755, type: 'directory' },
    { name: layerName, mode: 0o644, type: 'file', content: layer },
    { name: 'manifest.json', mode: 0o644, type: 'file', content: manifest },
  ]
  return { tar: await packTar(entries), tag, hasSsh }
}
