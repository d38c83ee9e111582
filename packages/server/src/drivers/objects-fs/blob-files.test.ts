/** Byte strings on disk: whole or not there, hashed, ranged. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { createBlobFiles } from './blob-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'quaystone-blobs-'))
after(() => rmSync(folder, { recursive: true }))
const blobs = createBlobFiles(folder)

test('what is written is read back, with its size and hashes', async () => {
  const bytes = Buffer.from('twelve bytes')
  const stored = await blobs.write('a', Readable.from([bytes]))
  assert.deepEqual(stored, {
    sizeBytes: 12,
    md5: createHash('md5').update(bytes).digest('hex'),
    sha512: createHash('sha512').update(bytes).digest('hex'),
  })
  assert.deepEqual(await buffer(await blobs.read('a')), bytes)
  assert.equal((await buffer(await blobs.read('a', { start: 7, end: 11 }))).toString(), 'bytes')
})

test('a write that breaks off leaves nothing', async () => {
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('half')
      throw new Error('client went away')
    })(),
  )
  await assert.rejects(blobs.write('b', broken), /went away/)
  assert.equal(await blobs.has('b'), false)
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('b')),
    [],
  )
})

test('absent keys are notFound to read and nothing to remove', async () => {
  await assert.rejects(blobs.read('none'), { kind: 'notFound' })
  await blobs.remove('none')
})
