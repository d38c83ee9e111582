/** Image tars: the kinds are told apart, and what is broken or hostile is refused with a reason. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { pack, type Header } from 'tar-stream'
import { inspectImageTar } from './image-tar.ts'
import { withoutNames } from './image-tar-names.ts'
import { filesOf, tarOf } from './suite-bench.ts'

const config = JSON.stringify({ architecture: 'arm64', os: 'linux', config: { Entrypoint: ['/run'], Cmd: ['now'] } })
const manifest = (more: object = {}) =>
  JSON.stringify([{ Config: 'c0ffee.json', RepoTags: ['app:1'], Layers: ['l1/layer.tar'], ...more }])
const archive = (more: Record<string, string> = {}) => {
  const layer = 'a'.repeat(64)
  return {
    [`${layer}/layer.tar`]: 'layer',
    'c0ffee.json': config,
    'manifest.json': manifest({ Layers: [`${layer}/layer.tar`] }),
    ...more,
  }
}

const digest = (content: string) => createHash('sha256').update(content).digest('hex')
function ociLayout(): Record<string, string> {
  const image = JSON.stringify({
    config: { digest: `sha256:${digest(config)}` },
    layers: [{ digest: `sha256:${digest('layer')}` }],
  })
  const attestation = { digest: `sha256:${digest('x')}`, platform: { os: 'unknown', architecture: 'unknown' } }
  const inner = JSON.stringify({
    manifests: [{ digest: `sha256:${digest(image)}`, platform: { os: 'linux', architecture: 'arm64' } }, attestation],
  })
  const index = JSON.stringify({
    manifests: [
      {
        digest: `sha256:${digest(inner)}`,
        annotations: { 'io.containerd.image.name': 'docker.io/library/app:1', keep: 'me' },
      },
    ],
  })
  const blobs = [config, image, inner, 'layer'].map((content) => [`blobs/sha256/${digest(content)}`, content])
  return {
    'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
    'index.json': index,
    ...(Object.fromEntries(blobs) as Record<string, string>),
  }
}

function tarWith(headers: (Partial<Header> & { name: string })[]): Readable {
  const tar = pack()
  for (const header of headers) tar.entry(header, header.type === undefined || header.type === 'file' ? 'x' : '')
  tar.finalize()
  return Readable.from(tar)
}

test('a docker archive', async () => {
  const facts = await inspectImageTar(tarOf(archive()))
  assert.deepEqual(
    { ...facts, contentBytes: 0 },
    {
      kind: 'docker-archive',
      repoTags: ['app:1'],
      entrypoint: ['/run'],
      command: ['now'],
      architecture: 'arm64',
      os: 'linux',
      hasCommand: true,
      entries: 3,
      contentBytes: 0,
    },
  )
})

test('an OCI layout, with a nested index and an attestation', async () => {
  const facts = await inspectImageTar(tarOf(ociLayout()))
  assert.deepEqual(
    [facts.kind, facts.repoTags, facts.entrypoint, facts.hasCommand, facts.architecture],
    ['oci-layout', ['docker.io/library/app:1'], ['/run'], true, 'arm64'],
  )
})

test('a root file system, with links and devices as they are in one', async () => {
  const facts = await inspectImageTar(
    tarWith([
      { name: './', type: 'directory' },
      { name: './bin/busybox', mode: 0o755 },
      { name: './bin/sh', type: 'symlink', linkname: '../bin/busybox' },
      { name: './dev/null', type: 'character-device' },
      { name: './package.json', mode: 0o644 },
    ]),
  )
  assert.deepEqual([facts.kind, facts.hasCommand, facts.entries], ['rootfs', false, 5])
})

test('compressed tars are looked into', async () => {
  const tar = await buffer(tarOf(archive()))
  for (const compressed of [gzipSync(tar), zstdCompressSync(tar)]) {
    assert.equal((await inspectImageTar(Readable.from([compressed]))).kind, 'docker-archive')
  }
})

const refused: [string, () => Readable, RegExp][] = [
  ['a name that leaves the folder', () => tarWith([{ name: '../etc/passwd' }]), /leaves its folder: \.\.\/etc\/passwd/],
  [
    'a hard link that leaves it',
    () => tarWith([{ name: 'a', type: 'link', linkname: 'b/../../c' }]),
    /hard link a to that leaves/,
  ],
  [
    'a device in an archive',
    () => tarWith([{ name: 'manifest.json' }, { name: 'sda', type: 'block-device' }]),
    /device \(sda\)/,
  ],
  ['text', () => Readable.from([Buffer.alloc(2048, 'hello')]), /no readable tar/],
  ['nothing', () => Readable.from([]), /no image/],
  ['a tar with nothing to run', () => tarOf({ 'readme.txt': 'hello' }), /no executable/],
  [
    'a missing layer',
    () => tarOf({ 'c0ffee.json': config, 'manifest.json': manifest() }),
    /lacks its layer l1\/layer\.tar/,
  ],
  [
    'a missing configuration',
    () => tarOf({ 'manifest.json': manifest({ Layers: [] }) }),
    /lacks its file c0ffee\.json/,
  ],
  ['two images', () => tarOf({ 'manifest.json': '[{"Config":"a"},{"Config":"b"}]' }), /one image, not 2/],
  ['a manifest that is no JSON', () => tarOf({ 'manifest.json': '[oops' }), /manifest\.json is no JSON/],
  [
    'an index that leads nowhere',
    () => tarOf({ 'oci-layout': '{}', 'index.json': '{"manifests":[]}' }),
    /leads to no image/,
  ],
]
for (const [what, tar, sentence] of refused) {
  test(`${what} is refused`, async () => {
    await assert.rejects(inspectImageTar(tar()), { kind: 'badRequest', message: sentence })
  })
}

test('a tar that ends early is refused', async () => {
  const tar = await buffer(tarOf(archive()))
  await assert.rejects(inspectImageTar(Readable.from([tar.subarray(0, 700)])), {
    kind: 'badRequest',
    message: /no readable tar/,
  })
})

test('limits are kept', async () => {
  await assert.rejects(inspectImageTar(tarOf(archive()), { entriesMax: 2 }), /more than 2 entries/)
  await assert.rejects(inspectImageTar(tarOf(archive()), { contentBytesMax: 10 }), /more than 10 bytes/)
})

test('an error of the source is passed on as it is', async () => {
  const broken = new Readable({ read() { this.destroy(new Error('disk on fire')) } })
  await assert.rejects(inspectImageTar(broken), /^Error: disk on fire$/)
})

test('withoutNames takes the names out and leaves the rest', async () => {
  const tags = await filesOf(await withoutNames(tarOf(archive({ repositories: '{"app":{}}' }))))
  assert.equal(tags['repositories'], undefined)
  assert.equal(JSON.parse(tags['manifest.json']!)[0].RepoTags, null)
  assert.equal(tags['c0ffee.json'], config)
  const layout = await filesOf(await withoutNames(tarOf(ociLayout())))
  assert.deepEqual(JSON.parse(layout['index.json']!).manifests[0].annotations, { keep: 'me' })
  const [image] = JSON.parse(layout['manifest.json']!)
  assert.deepEqual(image, {
    Config: `blobs/sha256/${digest(config)}`,
    Layers: [`blobs/sha256/${digest('layer')}`],
    RepoTags: null,
  })
})

test('withoutNames refuses a tar without an image, and breaks where the source does', async () => {
  await assert.rejects(async () => buffer(await withoutNames(tarOf({ a: 'b' }))), { kind: 'badRequest' })
  await assert.rejects(async () => buffer(await withoutNames(Readable.from([Buffer.alloc(2048, 'hello')]))), {
    kind: 'badRequest',
  })
})
