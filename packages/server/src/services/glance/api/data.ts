/** Routes of image bytes: upload, stage, download with ranges. */
import type { IncomingHttpHeaders } from 'node:http'
import { defineRoute, reply, streamBody, type Route } from '#platform/api-kit/route.ts'
import { badRequest, unsupportedMediaType } from '#platform/errors/errors.ts'
import type { GlanceApi } from './glance-api.ts'

const octets = 'application/octet-stream'

const assertOctets = (contentType: string | undefined): void => {
  if (contentType?.split(';')[0]!.trim() !== octets) {
    throw unsupportedMediaType(`Unsupported Content-Type ${contentType ?? '(none)'}: send ${octets}`, {
      field: 'Content-Type',
    })
  }
}

/** `bytes=a-b`, `bytes=a-` or `bytes=-n` within an image of `sizeBytes`; undefined: the whole. */
export const rangeOf = (
  header: string | undefined,
  sizeBytes: number,
): { start: number; end: number } | undefined => {
  if (header === undefined) return undefined
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim())
  if (!match || (match[1] === '' && match[2] === ''))
    throw badRequest(`Range "${header}" is not understood: use bytes=first-last`, { field: 'Range' })
  const start = match[1] === '' ? Math.max(0, sizeBytes - Number(match[2])) : Number(match[1])
  const end = match[1] === '' || match[2] === '' ? sizeBytes - 1 : Math.min(Number(match[2]), sizeBytes - 1)
  if (start > end)
    throw badRequest(`Range "${header}" lies outside of the image's ${sizeBytes} bytes`, { field: 'Range' })
  return { start, end }
}

const download = async (
  glance: GlanceApi,
  ctx: Parameters<GlanceApi['data']['download']>[0],
  id: string,
  range?: string,
) => {
  const { image, part, stream } = await glance.data.download(ctx, id, (sizeBytes) => rangeOf(range, sizeBytes))
  if (!stream || image.sizeBytes === null) return reply({ status: 204 })
  const headers: Record<string, string> = {
    'Content-Type': octets,
    'Content-Length': String(part ? part.end - part.start + 1 : image.sizeBytes),
  }
  if (part) headers['Content-Range'] = `bytes ${part.start}-${part.end}/${image.sizeBytes}`
  else if (image.checksum) headers['Content-MD5'] = image.checksum
  return reply({ status: part ? 206 : 200, headers, body: stream })
}

/** Bytes that the client says it sends; undefined: it did not say. */
const sizeOf = (headers: IncomingHttpHeaders): number | undefined => {
  const said = headers['x-openstack-image-size']?.toString()
  if (said === undefined) return Number(headers['content-length']) || undefined
  if (/^\d{1,15}$/.test(said)) return Number(said)
  throw badRequest('x-openstack-image-size must be a whole number of bytes.', { field: 'x-openstack-image-size' })
}

const upload = (id: string, path: string, policy: string, act: 'upload' | 'stage') =>
  defineRoute({
    id,
    path,
    method: 'PUT',
    summary: `${act} image data`,
    policy,
    body: streamBody([octets]),
    reply: { status: 204 },
    errors: [404, 409, 413, 415],
    handler: async (glance: GlanceApi, ctx, { params, body, headers }) => {
      assertOctets(headers['content-type'])
      await glance.data[act](ctx, params.image_id!, body, sizeOf(headers))
    },
  })

export const dataRoutes: Route<GlanceApi>[] = [
  upload('images.upload', '/images/{image_id}/file', 'upload_image', 'upload'),
  upload('images.stage', '/images/{image_id}/stage', 'modify_image', 'stage'),
  defineRoute<GlanceApi>({
    id: 'images.download',
    method: 'GET',
    path: '/images/{image_id}/file',
    summary: 'Download image data',
    policy: 'authenticated',
    reply: { status: 200, mediaType: octets },
    errors: [403, 404],
    handler: (glance, ctx, { params, headers }) => download(glance, ctx, params.image_id!, headers.range),
  }),
]
