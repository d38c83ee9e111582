/** What the conformance tests share: a runtime, an image on it, and short words for what they do all the time. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import { systemClock } from '#platform/clock/clock.ts'
import { isRefusal, type ErrorKind } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { ContainerRuntime, ContainerSpec } from '#services/workloads/ports.ts'

export interface RuntimeUnderTest {
  runtime: ContainerRuntime
  /** Another cloud's view of the same engine, where the runtime has such a thing. */
  foreign?: ContainerRuntime
  /** Root file system with busybox's programs. */
  rootTar: Buffer
  close(): Promise<void>
}

const waitMsMax = 30_000
const pauseMs = 20

export async function eventually(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let waited = 0; !await condition(); waited += pauseMs) {
    if (waited > waitMsMax) assert.fail(`It did not happen: ${what}`)
    await systemClock.sleep(pauseMs)
  }
}

export const refuses = (kind: ErrorKind, sentence = /./) => (error: unknown): true => {
  assert.ok(isRefusal(error), `a refusal, not ${String(error)}`)
  assert.equal(error.kind, kind, error.message)
  assert.match(error.message, sentence)
  return true
}

/** A spec with names of its own. */
export function specOf(image: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  const workloadId = uuid()
  return {
    workloadId,
    name: `suite-${workloadId}`,
    image,
    hostname: 'suite',
    env: {},
    labels: {},
    mounts: [],
    networkMode: 'none',
    resources: { vcpus: 1, ramMiB: 64 },
    ...more,
  }
}

export function tarOf(files: Record<string, string | Buffer>): Readable {
  const tar = pack()
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content)
  tar.finalize()
  return Readable.from(tar)
}

export async function filesOf(tar: Readable): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for await (const entry of tar.pipe(extract())) files[entry.header.name] = await text(entry)
  return files
}

/** An OCI image layout of one layer. */
export function ociLayoutOf(layer: Buffer, command: string[]): Record<string, string | Buffer> {
  const blobs: Record<string, string | Buffer> = {}
  const blob = (mediaType: string, content: string | Buffer) => {
    const hex = createHash('sha256').update(content).digest('hex')
    blobs[`blobs/sha256/${hex}`] = content
    return {
      mediaType: `application/vnd.oci.image.${mediaType}`,
      digest: `sha256:${hex}`,
      size: Buffer.byteLength(content),
    }
  }
  const layers = [blob('layer.v1.tar', layer)]
  const config = blob(
    'config.v1+json',
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: command, Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [layers[0]!.digest] },
    }),
  )
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = blob('manifest.v1+json', JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))
  return {
    'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
    'index.json': JSON.stringify({ schemaVersion: 2, manifests: [manifest] }),
    ...blobs,
  }
}

type Made = { id: string; spec: ContainerSpec }

/** Filled by `setUp`; the tests read it when they run. */
export class SuiteBench {
  /** Holds busybox; its command sleeps. */
  readonly image = `quaystone/${uuid()}:latest`
  under!: RuntimeUnderTest

  get runtime(): ContainerRuntime { return this.under.runtime }

  async setUp(under: RuntimeUnderTest): Promise<void> {
    this.under = under
    await this.runtime.imageImport(Readable.from(under.rootTar), this.image, ['CMD ["sleep","3600"]'])
  }

  async tearDown(): Promise<void> {
    for (const { id } of await this.runtime.list()) await this.runtime.remove(id)
    await this.under.close()
  }

  readonly created = async (more: Partial<ContainerSpec> = {}): Promise<Made> => {
    const spec = specOf(this.image, more)
    return { spec, ...await this.runtime.create(spec) }
  }

  readonly started = async (more: Partial<ContainerSpec> = {}): Promise<Made> => {
    const container = await this.created(more)
    await this.runtime.start(container.id)
    return container
  }

  readonly logText = async (id: string): Promise<string> => (await this.runtime.logs(id, {})).toString()

  readonly finished = (id: string): Promise<void> =>
    eventually('the container ends', async () => (await this.runtime.inspect(id)).state === 'exited')

  /** What a command that ends by itself wrote. */
  readonly outputOf = async (more: Partial<ContainerSpec>): Promise<string> => {
    const { id } = await this.started(more)
    await this.finished(id)
    return await this.logText(id)
  }
}
