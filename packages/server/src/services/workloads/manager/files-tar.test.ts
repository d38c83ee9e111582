/** The tar is read back by a reader that is not ours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { extract } from 'tar-stream'
import { filesTar } from './files-tar.ts'

async function read(tar: Buffer): Promise<{ name: string; mode: number; type: string; text: string }[]> {
  const found = []
  for await (const entry of Readable.from([tar]).pipe(extract())) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    found.push({
      name: entry.header.name,
      mode: entry.header.mode!,
      type: entry.header.type!,
      text: Buffer.concat(chunks).toString(),
    })
  }
  return found
}
const file = (path: string, text: string, mode = 0o644) => ({
  path,
  mode,
  content: Buffer.from(text).toString('base64'),
})

test('files come out with their names, modes and contents, whatever their size', async () => {
  const texts = ['', 'x', 'y'.repeat(512), 'z'.repeat(70_000), 'grüße']
  const files = texts.map((text, at) => file(`/etc/f${at}`, text, 0o640))
  assert.deepEqual(
    await read(filesTar(files, 0)),
    texts.map((text, at) => ({ name: `etc/f${at}`, mode: 0o640, type: 'file', text })),
  )
})

test('the folder of ssh keys belongs to its owner alone', async () => {
  const [folder] = await read(filesTar([file('/root/.ssh/authorized_keys', 'k', 0o600)], 0))
  assert.deepEqual([folder!.name, folder!.type, folder!.mode], ['root/.ssh/', 'directory', 0o700])
})

test('long paths are kept, paths beyond the format are refused', async () => {
  const long = `/${'d'.repeat(90)}/${'e'.repeat(60)}/${'f'.repeat(90)}`
  assert.equal((await read(filesTar([file(long, 'x')], 0)))[0]!.name, long.slice(1))
  assert.throws(() => filesTar([file(`/${'g'.repeat(101)}`, 'x')], 0), /too long/)
})
