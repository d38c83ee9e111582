/** Fetches an image's bytes from an HTTP or HTTPS URL. */
import { Readable } from 'node:stream'
import { badRequest } from '#platform/errors/errors.ts'
import type { ImageSource } from '#services/glance/ports.ts'

export const webDownload: ImageSource = {
  fetch: async (from, signal) => {
    try {
      const answer = await fetch(from, { signal })
      if (!answer.ok || !answer.body) throw badRequest(`${from} answered ${answer.status} ${answer.statusText}`)
      return Readable.fromWeb(answer.body as never)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw badRequest(`${from} could not be fetched: ${(error.cause as Error)?.message ?? error.message}`, {}, error)
    }
  },
}
