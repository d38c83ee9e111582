/** Fetches an image by its registry reference with skopeo, as a `docker save` archive. */
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { badRequest, unavailable } from '#platform/errors/errors.ts'
import type { ImageSource } from '#services/glance/ports.ts'

const run = promisify(execFile)
const isLoopback = (reference: string) => /^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?\//.test(reference)
const isReference = (text: string) => /^[\w.-]+(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/i.test(text)

const copy = async (reference: string, file: string, signal: AbortSignal): Promise<void> => {
  const insecure = isLoopback(reference) ? ['--src-tls-verify=false'] : []
  try {
    await run('skopeo', ['copy', '--quiet', ...insecure, `docker://${reference}`, `docker-archive:${file}`], {
      signal,
    })
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string }
    if (code === 'ENOENT')
      throw unavailable('Import from a registry needs skopeo on the server: apt-get install skopeo')
    throw badRequest(`${reference} could not be fetched: ${(stderr || message).trim().split('\n').at(-1)}`, {}, error)
  }
}

export const registryDownload: ImageSource = {
  fetch: async (reference, signal) => {
    if (!isReference(reference))
      throw badRequest(`"${reference}" is not a registry reference such as host/team/app:1.2`, { field: 'reference' })
    const folder = await mkdtemp(join(tmpdir(), 'quaystone-import-'))
    const forget = () => rm(folder, { recursive: true, force: true })
    try {
      await copy(reference, join(folder, 'image.tar'), signal)
    } catch (error) {
      await forget()
      throw error
    }
    return createReadStream(join(folder, 'image.tar')).once('close', forget)
  },
}
