/** Framed output is merged whatever the pieces it arrives in. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { OutputDemux } from './output-frames.ts'

const frame = (stream: number, content: string) => {
  const head = Buffer.alloc(8)
  head[0] = stream
  head.writeUInt32BE(Buffer.byteLength(content), 4)
  return Buffer.concat([head, Buffer.from(content)])
}

test('frames are undone at any chunk size', async () => {
  const framed = Buffer.concat([frame(1, 'out '), frame(2, 'err '), frame(1, ''), frame(1, 'größer\n')])
  for (let size = 1; size <= framed.length; size++) {
    const pieces = Array.from({ length: Math.ceil(framed.length / size) }, (_, index) =>
      framed.subarray(index * size, (index + 1) * size),
    )
    assert.equal(await text(Readable.from(pieces).pipe(new OutputDemux())), 'out err größer\n')
  }
})
