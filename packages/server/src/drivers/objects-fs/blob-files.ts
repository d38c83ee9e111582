/** Byte strings as files of one folder, each written aside, hashed on the way, and renamed when it is whole. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { BlobStore, StoredBlob } from '#services/glance/ports.ts'

const unfinished = '.part'

const meter = () => {
  const md5 = createHash('md5')
  const sha512 = createHash('sha512')
  let sizeBytes = 0
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      md5.update(chunk)
      sha512.update(chunk)
      sizeBytes += chunk.length
      done(null, chunk)
    },
  })
  return { stream, result: (): StoredBlob => ({ sizeBytes, md5: md5.digest('hex'), sha512: sha512.digest('hex') }) }
}

/** Keys are names without slashes. */
export const createBlobFiles = (folder: string): BlobStore => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const pathOf = (key: string) => join(folder, key.replaceAll('/', '_'))
  const isThere = (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT'
  const statOf = async (key: string) => {
    try {
      return await stat(pathOf(key))
    } catch (error) {
      if (isThere(error)) throw error
      return undefined
    }
  }
  return {
    write: async (key, data) => {
      const part = `${pathOf(key)}.${uuid()}${unfinished}`
      const { stream, result } = meter()
      try {
        await pipeline(data, stream, createWriteStream(part, { mode: 0o600, flush: true }))
        await rename(part, pathOf(key))
        return result()
      } catch (error) {
        await rm(part, { force: true })
        throw error
      }
    },
    read: async (key, range) => {
      if (!await statOf(key)) throw notFound(`The data of ${key} could not be found`)
      const file = await open(pathOf(key))
      return createReadStream('', { fd: file, start: range?.start, end: range?.end })
    },
    has: async (key) => (await statOf(key)) !== undefined,
    rename: (from, to) => rename(pathOf(from), pathOf(to)),
    remove: (key) => rm(pathOf(key), { force: true }),
    list: async () => {
      const found = await Promise.all((await readdir(folder)).map(async (key) => ({ key, facts: await statOf(key) })))
      return found.flatMap(({ key, facts }) => (facts ? [{ key, modifiedAt: facts.mtimeMs }] : []))
    },
  }
}
