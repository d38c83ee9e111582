/** Takes the engine's framing off a container's output: 8 bytes of stream number and length before each piece. */
import { Transform, type TransformCallback } from 'node:stream'

const headerBytes = 8

/** Merges stdout and stderr in the order they came. */
export class OutputDemux extends Transform {
  #header = Buffer.alloc(0)
  #remaining = 0

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = chunk
    while (rest.length > 0) rest = this.#remaining > 0 ? this.#payload(rest) : this.#head(rest)
    done()
  }

  #payload(chunk: Buffer): Buffer {
    const part = chunk.subarray(0, this.#remaining)
    this.#remaining -= part.length
    this.push(part)
    return chunk.subarray(part.length)
  }

  #head(chunk: Buffer): Buffer {
    const missing = headerBytes - this.#header.length
    this.#header = Buffer.concat([this.#header, chunk.subarray(0, missing)])
    if (this.#header.length === headerBytes) {
      this.#remaining = this.#header.readUInt32BE(4)
      this.#header = Buffer.alloc(0)
    }
    return chunk.subarray(missing)
  }
}
