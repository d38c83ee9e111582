/** The two JSON Patch media types of Glance, read into one list of operations. */
import { badRequest } from '#platform/errors/errors.ts'
import type { PatchOperation } from '../manager/patch.ts'

export const patchMediaTypes = [
  'application/openstack-images-v2.1-json-patch',
  'application/openstack-images-v2.0-json-patch',
  'application/json-patch+json',
]

const verbs = ['add', 'replace', 'remove'] as const

const pointer = (path: unknown): string[] => {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw badRequest(`Pointer "${path}" does not start with "/".`, { field: 'path' })
  const parts = path.slice(1).split('/')
  if (parts.some((part) => part === '' || /~(?![01])/.test(part)))
    throw badRequest(`Pointer "${path}" is not valid.`, { field: 'path' })
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** `{op, path, value}` of v2.1, or `{replace: path, value}` of v2.0. */
const operationOf = (change: unknown): PatchOperation => {
  if (change === null || typeof change !== 'object' || Array.isArray(change))
    throw badRequest('Operations must be JSON objects.')
  const record = change as Record<string, unknown>
  const op = verbs.find((verb) => record.op === verb || (record.op === undefined && verb in record))
  if (!op)
    throw badRequest(`Unsupported operation in ${JSON.stringify(change).slice(0, 120)}: use ${verbs.join(', ')}`, {
      field: 'op',
    })
  if (op !== 'remove' && record.value === undefined)
    throw badRequest(`Operation "${op}" requires a member named "value".`, { field: 'value' })
  return { op, path: pointer(record.path ?? record[op]), value: record.value }
}

export const operationsOf = (body: unknown): PatchOperation[] => {
  if (!Array.isArray(body)) throw badRequest('Request body must be a JSON array of operation objects.')
  return body.map(operationOf)
}
