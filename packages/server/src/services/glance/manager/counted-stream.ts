/** Lets data through as far as there is quota for it: room for what comes is made before it passes. */
import { Transform, type Readable } from 'node:stream'

/**
 * The same bytes. `pass` is told how many have come in all before the last of them go on, and may take its time, or
 * reject. Then, and when the source breaks off, the result fails, and the source is left as it is: whoever sent the
 * data may still be answered by the same connection.
 */
export const countedStream = (source: Readable, pass: (bytes: number) => Promise<void> | undefined): Readable => {
  let bytes = 0
  const gate = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      const passing = pass(bytes)
      if (!passing) return done(null, chunk)
      passing.then(() => done(null, chunk), done)
    },
  })
  const closed = () => {
    if (!source.readableEnded) gate.destroy(new Error('the data broke off before its end'))
  }
  source.once('error', (error) => gate.destroy(error))
  source.once('close', closed)
  // It may have ended before anybody listened.
  if (source.destroyed) closed()
  return source.pipe(gate)
}
