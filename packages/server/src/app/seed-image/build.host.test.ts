/** The built-in image is the same bytes each time, and a tar that Docker and Glance accept. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { extract } from 'tar-stream'
import { buildSeedImage, findImagePrograms } from './build.ts'

async function filesOf(
  tar: Buffer,
): Promise<Map<string, { content: Buffer; target?: string | null; mode?: number }>> {
  const files = new Map<string, { content: Buffer; target?: string | null; mode?: number }>()
  for await (const entry of Readable.from([tar]).pipe(extract())) {
    files.set(entry.header.name, {
      content: await buffer(entry),
      target: entry.header.linkname,
      mode: entry.header.mode,
    })
  }
  return files
}

test('two builds give the same bytes', async () => {
  const programs = findImagePrograms()
  const [first, second] = [await buildSeedImage(programs), await buildSeedImage(programs)]
  assert.ok(first.tar.equals(second.tar))
})

test('the manifest names the configuration and the layer, and the layer holds the boot command', async () => {
  const { tar, tag } = await buildSeedImage(findImagePrograms())
  const files = await filesOf(tar)
  const [image] = JSON.parse(files.get('manifest.json')!.content.toString())
  assert.deepEqual(image.RepoTags, [tag])
  const config = JSON.parse(files.get(image.Config)!.content.toString())
  const layer = await filesOf(files.get(image.Layers[0])!.content)
  const command = layer.get(config.config.Cmd[0].slice(1))
  assert.equal(command?.mode, 0o755)
  assert.equal(layer.get('bin/sh')?.target, 'busybox')
})

test('without an ssh server on this machine the image has none, and does not expose its port', async () => {
  const { tar, hasSsh } = await buildSeedImage({ ...findImagePrograms(), dropbear: undefined })
  const files = await filesOf(tar)
  const [image] = JSON.parse(files.get('manifest.json')!.content.toString())
  const config = JSON.parse(files.get(image.Config)!.content.toString())
  assert.equal(hasSsh, false)
  assert.deepEqual(Object.keys(config.config.ExposedPorts), ['80/tcp'])
})
